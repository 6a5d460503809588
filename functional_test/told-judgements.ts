import type { Invoice } from './contract.ts'
import type { Evidence } from './evidence.ts'
import type { CartLook, History } from './history.ts'
import { livesOf, type Life } from './hold-times.ts'
import { judged, unknown, type Judgement } from './judgement.ts'

/**
 * These judgements compare the answers to each bot with the shop's database: its own cart, and its
 * invoices in API B.
 */

/** Judges that a hold that is certainly alive is in the cart, and on the invoice after checkout. */
export function toldHeldIsThere(evidence: Evidence): Judgement {
  const { history, clock, answers } = evidence
  if (answers.invoices === null) return unknown('API B')
  const lives = livesOf(history, clock)
  const inCarts = missingInCarts(lives, history)
  const onInvoices = missingOnInvoices(evidence, answers.invoices)
  const looks = `${history.carts.length} looks into carts`
  const measured = `${lives.length} holds, ${looks}, ${inCarts.length + onInvoices.length} missing`
  return judged([...inCarts, ...onInvoices], measured)
}

function missingInCarts(lives: readonly Life[], { carts, invoices }: History): string[] {
  const checkedOutAt = new Map<string, number>()
  for (const { reservationIds, askedAt } of invoices) {
    for (const id of reservationIds) {
      checkedOutAt.set(id, Math.min(askedAt, checkedOutAt.get(id) ?? Infinity))
    }
  }
  const livesByBot = groupBy(lives, (life) => life.bot)
  return carts.flatMap((look) =>
    (livesByBot.get(look.bot) ?? [])
      .filter(
        ({ from, until, reservationId }) =>
          from <= look.sentAt &&
          look.answeredAt <= Math.min(until, checkedOutAt.get(reservationId) ?? Infinity),
      )
      .filter((life) => !shows(look, life))
      .map((life) => `${life.reservationId} of bot ${look.bot} is not in its cart as told`),
  )
}

const shows = (look: CartLook, { reservationId, quantity }: Life): boolean =>
  look.items.some((item) => item.reservationId === reservationId && item.quantity === quantity)

function missingOnInvoices({ history, botOf }: Evidence, invoices: readonly Invoice[]): string[] {
  const told = new Map<string, History['invoices'][number]>()
  for (const invoice of history.invoices) told.set(invoice.invoiceId, invoice)
  const found = new Map(invoices.map((invoice) => [invoice.id, invoice]))
  return [...told.values()]
    .filter(({ invoiceId, bot, reservationIds }) => {
      const invoice = found.get(invoiceId)
      if (invoice === undefined || botOf.get(invoice.userId) !== bot) return true
      const lines = new Set(invoice.lines.map((line) => line.reservationId))
      return !reservationIds.every((id) => lines.has(id))
    })
    .map(({ invoiceId, bot }) => `API B does not have invoice ${invoiceId} as bot ${bot} was told`)
}

/** Judges that a bot with holds has no others than those it was told of. */
export function nothingUntold(evidence: Evidence): Judgement {
  const owned = ownedBy(evidence)
  if (owned === null) return unknown('API B')
  const told = groupBy(evidence.history.holds, (hold) => hold.bot)
  const unknowing = unknowingBots(evidence)
  const untold = owned
    .filter(({ bot }) => told.has(bot) && !unknowing.has(bot))
    .filter(
      ({ bot, reservationId, quantity }) =>
        !told
          .get(bot)!
          .some((hold) => hold.reservationId === reservationId && hold.quantity === quantity),
    )
  const measured = `${owned.length} lines, ${untold.length} untold`
  return judged(untold.map(describe), measured)
}

/** Judges that bots without a hold own nothing, by a read of their cart after the last refusal. */
export function refusedHaveNothing(evidence: Evidence): Judgement {
  const owned = ownedBy(evidence)
  if (owned === null) return unknown('API B')
  const { history } = evidence
  const winners = new Set(history.holds.map((hold) => hold.bot))
  const unknowing = unknowingBots(evidence)
  const refusedAt = new Map<number, number>()
  for (const { bot, settledAt } of history.tries) {
    const isRefused = !winners.has(bot) && !unknowing.has(bot)
    if (isRefused) refusedAt.set(bot, Math.max(settledAt, refusedAt.get(bot) ?? 0))
  }
  for (const { bot, sentAt } of history.carts) {
    if (sentAt >= (refusedAt.get(bot) ?? Infinity)) refusedAt.set(bot, -Infinity)
  }
  const unseen = [...refusedAt].filter(([, at]) => at !== -Infinity)
  const having = owned.filter(({ bot }) => refusedAt.has(bot))
  return judged(
    [
      ...having.map(describe),
      ...unseen.map(([bot]) => `the cart of bot ${bot} could not be seen after it was refused`),
    ],
    `${refusedAt.size} bots, ${having.length} have something`,
  )
}

interface Owned {
  readonly bot: number
  readonly reservationId: string
  readonly quantity: number
  readonly where: string
}

const describe = ({ bot, reservationId, quantity, where }: Owned): string =>
  `bot ${bot} has ${reservationId} (${quantity}) ${where}, which it was not told`

/** Lists every unit that the shop shows as a bot's; null when API B gave no answer. */
function ownedBy({ history, answers, botOf, productId }: Evidence): Owned[] | null {
  if (answers.invoices === null) return null
  const inCarts = history.carts.flatMap(({ bot, items }) =>
    items.map((item): Owned => ({ bot, ...item, where: 'in its cart' })),
  )
  const onInvoices = answers.invoices.flatMap(({ id, userId, lines }) => {
    const bot = botOf.get(userId)
    if (bot === undefined) return []
    return lines
      .filter((line) => line.productId === productId)
      .map(({ reservationId, quantity }): Owned => ({
        bot,
        reservationId,
        quantity,
        where: `on invoice ${id}`,
      }))
  })
  return [...inCarts, ...onInvoices]
}

/** Returns the bots without a final answer: they may own units that they do not know of. */
const unknowingBots = ({ history }: Evidence): ReadonlySet<number> =>
  new Set(history.unanswered.map((one) => one.bot))

function groupBy<T>(rows: readonly T[], keyOf: (row: T) => number): ReadonlyMap<number, T[]> {
  const groups = new Map<number, T[]>()
  for (const row of rows) {
    const group = groups.get(keyOf(row))
    if (group === undefined) groups.set(keyOf(row), [row])
    else group.push(row)
  }
  return groups
}
