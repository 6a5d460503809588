import type { Reply } from './client.ts'
import {
  addToCartStatusSchema,
  codeOf,
  heldSchema,
  pendingSchema,
  type Reservation,
} from './contract.ts'
import { canonical, type Bot, type Run } from './run.ts'
import { now, pause } from './time.ts'

/**
 * One add-to-cart up to its final answer: 503 and 429 are retried with the same key, a 202 is
 * followed through its status resource. Every answer and every hold goes into the history.
 */

export type Told =
  | { readonly kind: 'held'; readonly reservation: Reservation }
  | { readonly kind: 'refused'; readonly code: string }
  | { readonly kind: 'unanswered'; readonly why: string }

export interface Wish {
  readonly key: string
  readonly quantity: number
  readonly phase: 'race' | 'return'
}

const statusEveryMs = 200
/** Requests older than 30 s are refused as too late, so after that an outcome must be known. */
const pendingMsMax = 45_000

export async function addToCart(run: Run, bot: Bot, wish: Wish): Promise<Told> {
  const startedAt = now()
  run.crowd.move(bot.index, 'waiting')
  const told = await click(run, bot, wish)
  run.crowd.move(bot.index, told.kind)
  run.history.tries.push({
    bot: bot.index,
    phase: wish.phase,
    quantity: wish.quantity,
    startedAt,
    settledAt: now(),
    outcome: told.kind,
    code: told.kind === 'refused' ? told.code : null,
  })
  return told
}

/**
 * Clicks once or twice, as this bot does. One held unit counts as held, whatever the other click
 * got.
 */
async function click(run: Run, bot: Bot, wish: Wish): Promise<Told> {
  switch (bot.character.clicks) {
    case 'once':
      return ask(run, bot, wish)
    case 'twice': {
      const [first, second] = await Promise.all([ask(run, bot, wish), ask(run, bot, wish)])
      return first.kind === 'held' ? first : second
    }
    case 'again': {
      const first = await ask(run, bot, wish)
      // A refusal is not remembered: asking again would be a new try, not a repetition.
      if (first.kind === 'held') await ask(run, bot, wish)
      return first
    }
  }
}

async function ask(run: Run, bot: Bot, wish: Wish): Promise<Told> {
  const told = await askOnce(run, bot, wish)
  if (told.kind === 'unanswered') {
    run.history.unanswered.push({ bot: bot.index, step: 'add to cart', why: told.why })
  }
  return told
}

async function askOnce(run: Run, bot: Bot, wish: Wish): Promise<Told> {
  const reply = await run.shoppers.persist({
    step: 'add to cart',
    method: 'POST',
    path: '/v1/cart/items',
    token: bot.token,
    lane: bot.index,
    key: wish.key,
    body: { flashSaleId: run.flashSaleId, productId: run.productId, quantity: wish.quantity },
  })
  if (reply === null) return { kind: 'unanswered', why: 'no final answer in time' }
  if (reply.status === 202) {
    const told = await follow(run, bot, reply)
    if (told === 'forgotten') return askOnce(run, bot, wish)
    note(run, bot, { wish, reply, told, verbatim: null })
    return told
  }
  const told = read(reply)
  note(run, bot, {
    wish,
    reply,
    told,
    verbatim: told.kind === 'held' ? `${reply.status} ${canonical(reply.body)}` : null,
  })
  return told
}

function read(reply: Reply): Told {
  if (reply.status === 201) {
    const held = heldSchema.safeParse(reply.body)
    return held.success
      ? { kind: 'held', reservation: held.data.reservation }
      : { kind: 'unanswered', why: '201 without a reservation' }
  }
  if (reply.code !== null) return { kind: 'refused', code: reply.code }
  return { kind: 'unanswered', why: `status ${reply.status} without a code` }
}

/** Polls the status resource of a 202 until it says held or refused. */
async function follow(run: Run, bot: Bot, pending: Reply): Promise<Told | 'forgotten'> {
  const parsed = pendingSchema.safeParse(pending.body)
  const statusUrl = parsed.success ? parsed.data.statusUrl : pending.location
  if (statusUrl === null) return { kind: 'unanswered', why: '202 without statusUrl' }
  const until = run.shoppers.giveUpAt(pendingMsMax)
  while (now() < until) {
    await pause(pending.retryAfterMs ?? statusEveryMs)
    const told = await readStatus(run, bot, statusUrl)
    if (told !== 'pending') return told
  }
  return { kind: 'unanswered', why: 'still pending' }
}

async function readStatus(
  run: Run,
  bot: Bot,
  statusUrl: string,
): Promise<Told | 'pending' | 'forgotten'> {
  const reply = await run.shoppers.persist({
    step: 'add-to-cart status',
    method: 'GET',
    path: statusUrl,
    token: bot.token,
    lane: bot.index,
  })
  if (reply === null) return { kind: 'unanswered', why: 'no answer from the status resource' }
  // A node that died while it could not write has lost its 202s. A repetition with the key gets the
  // outcome.
  if (reply.status === 404 && run.shoppers.faults === 'expected') return 'forgotten'
  const status = addToCartStatusSchema.safeParse(reply.body)
  if (reply.status !== 200 || !status.success) {
    return { kind: 'unanswered', why: `the status resource answered ${reply.status}` }
  }
  switch (status.data.status) {
    case 'pending':
      return 'pending'
    case 'held':
      return { kind: 'held', reservation: status.data.reservation }
    case 'refused':
      return { kind: 'refused', code: codeOf(reply.body) ?? 'refused' }
  }
}

interface Noted {
  readonly wish: Wish
  readonly reply: Reply
  readonly told: Told
  readonly verbatim: string | null
}

function note(run: Run, bot: Bot, { wish, reply, told, verbatim }: Noted): void {
  if (told.kind === 'unanswered') return
  const answeredAt = now()
  run.history.keyedAnswers.push({
    step: 'add to cart',
    scope: `user ${bot.userId} add to cart ${wish.key}`,
    sentAt: reply.sentAt,
    answeredAt,
    outcome: told.kind === 'held' ? 'accepted' : 'refused',
    identity: told.kind === 'held' ? `reservation ${told.reservation.id}` : told.code,
    verbatim,
  })
  if (told.kind !== 'held') return
  run.history.holds.push({
    bot: bot.index,
    reservationId: told.reservation.id,
    quantity: told.reservation.quantity,
    toldAt: answeredAt,
    expiresAt: told.reservation.expiresAt,
  })
}
