import { z } from 'zod'
import { BrokerUnavailableError } from '../../broker/broker.ts'
import { wait, type Clock } from '../../clock.ts'
import { DatabaseUnavailableError, type Database } from '../../db/database.ts'
import { findRecordedHolds } from '../../db/reserve/recorded-outcomes.ts'
import { limits } from '../../domain/limits.ts'
import type { Refusal } from '../../domain/refusal.ts'
import type { AddToCartOutcome, KeyedWish } from '../../domain/reservation.ts'
import type { NewId } from '../../ids.ts'
import type { MessageCodec } from '../../messaging/envelope.ts'
import type { Metrics } from '../../metrics.ts'
import type { LateReplies } from './late-replies.ts'
import { createLookup, type Lookup } from '../lookup.ts'
import type { LocalGate } from './local-gate.ts'
import type { PendingReplies } from './pending-replies.ts'
import { problem, type ProblemCode, type Reply } from '../http/problem.ts'
import type { Publisher } from './publisher.ts'
import type { SaleCatalog } from './sale-catalog.ts'
import { rowId } from '../routes/fields.ts'
import { reservationView } from '../routes/views.ts'

/**
 * Add-to-cart as the API node sees it, free of any framework: receives an authenticated, parsed
 * request, publishes it to the product's queue, holds the shopper until the outcome arrives,
 * answers 202 when it does not. It never touches stock itself.
 */
export interface AddToCartHandler {
  handle(request: AddToCartRequest): Promise<Reply>
}

export interface AddToCartRequest extends AddToCartBody {
  readonly userId: number
  readonly userUid: string
  /** The shopper's own; undefined when none was sent. */
  readonly idempotencyKey: string | undefined
}

export const addToCartBody = z.strictObject({
  flashSaleId: rowId,
  productId: rowId,
  quantity: z
    .int()
    .min(1)
    .max(limits.quantityMax)
    .default(1)
    .meta({ examples: [1] }),
})
export type AddToCartBody = z.infer<typeof addToCartBody>

const isRowId = (value: unknown): value is number =>
  typeof value === 'number' && Number.isSafeInteger(value) && value > 0

/**
 * The body as the schema would give it, when it is plainly right: that takes a twentieth of the
 * schema's time. Undefined: ask the schema, it has the last word and says what is wrong.
 */
export function readPlainBody(body: object): AddToCartBody | undefined {
  for (const name in body) {
    if (name !== 'flashSaleId' && name !== 'productId' && name !== 'quantity') return undefined
  }
  const { flashSaleId, productId, quantity = 1 } = body as Partial<Record<string, unknown>>
  if (!isRowId(flashSaleId) || !isRowId(productId) || !isRowId(quantity)) return undefined
  return quantity > limits.quantityMax ? undefined : { flashSaleId, productId, quantity }
}

export interface AddToCartHandlerOptions {
  readonly catalog: SaleCatalog
  readonly gate: LocalGate
  readonly pendingReplies: PendingReplies
  readonly lateReplies: LateReplies
  readonly publisher: Publisher
  readonly codec: MessageCodec
  readonly database: Database
  readonly clock: Clock
  readonly newId: NewId
  readonly metrics: Metrics
  readonly nodeId: string
  /** Runs a task after the arrivals of the current tick. */
  readonly defer: (task: () => void) => void
}

/** Everything that deciding needs besides the request. */
interface AddToCartContext extends AddToCartHandlerOptions {
  readonly recall: Lookup<KeyedWish, AddToCartOutcome | undefined>
}

interface Try extends AddToCartRequest {
  readonly requestId: string
}

interface InFlight {
  readonly wish: string
  readonly reply: Promise<Reply>
  /** The number of requests that wait for the same reply. */
  waiting: number
}

/** One shopper must not take the places of all. */
const sameRequestMax = 100
/** A queue is made within milliseconds, unless its nsqd is silent; then the answer is 503 with Retry-After. */
const firstTryMsMax = 1_000

export function createAddToCartHandler(options: AddToCartHandlerOptions): AddToCartHandler {
  const { clock, newId, metrics, database, defer, pendingReplies } = options
  const context = { ...options, recall: createLookup({ database, defer, read: findRecordedHolds }) }
  metrics.onCollect(() => {
    metrics.pendingReplies.set(pendingReplies.size())
  })
  /** Requests under way by shopper and key: two at once with one key are one request. */
  const inFlight = new Map<string, InFlight>()

  async function handle(request: AddToCartRequest): Promise<Reply> {
    const startedAt = clock.monotonic()
    const reply = await (join(request) ?? begin(request))
    metrics.addToCartSeconds.observe((clock.monotonic() - startedAt) / 1000)
    metrics.addToCartOutcomes.inc({ outcome: outcomeLabel(reply) })
    return reply
  }

  /** The reply of the same request under way; undefined when there is none. */
  function join(request: AddToCartRequest): Promise<Reply> | undefined {
    const { userId, idempotencyKey } = request
    if (idempotencyKey === undefined) return undefined
    const other = inFlight.get(keyOf(userId, idempotencyKey))
    if (other === undefined) return undefined
    const refuse = (code: ProblemCode) => Promise.resolve(withKey(problem(code), idempotencyKey))
    if (other.wish !== wishOf(request)) return refuse('idempotency_key_reused')
    if (other.waiting >= sameRequestMax) return refuse('rate_limited')
    const shared = pendingReplies.share(other.reply)
    if (shared === undefined) return refuse('overloaded')
    other.waiting += 1
    return shared.then(replayed)
  }

  function begin(request: AddToCartRequest): Promise<Reply> {
    const { userId, idempotencyKey } = request
    const reply = answer({ ...request, requestId: newId() })
    if (idempotencyKey !== undefined) {
      const wish = wishOf(request)
      inFlight.set(keyOf(userId, idempotencyKey), { wish, reply, waiting: 1 })
    }
    return reply
  }

  async function answer(request: Try): Promise<Reply> {
    const { userId, requestId, idempotencyKey } = request
    try {
      return withKey(await decide(request, context), idempotencyKey ?? requestId)
    } catch (error) {
      return withKey(unavailable(error), idempotencyKey ?? requestId)
    } finally {
      if (idempotencyKey !== undefined) inFlight.delete(keyOf(userId, idempotencyKey))
    }
  }

  return { handle }
}

const keyOf = (userId: number, idempotencyKey: string): string => `${userId}/${idempotencyKey}`
const wishOf = ({ flashSaleId, productId, quantity }: AddToCartRequest): string =>
  `${flashSaleId}/${productId}/${quantity}`

function withKey(reply: Reply, idempotencyKey: string): Reply {
  return { ...reply, headers: { ...reply.headers, 'idempotency-key': idempotencyKey } }
}

/** @throws whatever is no lack of a broker or database. */
function unavailable(error: unknown): Reply {
  if (error instanceof BrokerUnavailableError) return problem('broker_unavailable')
  if (error instanceof DatabaseUnavailableError) return problem('database_unavailable')
  throw error
}

async function decide(request: Try, context: AddToCartContext): Promise<Reply> {
  const { flashSaleId, productId } = request
  const { catalog } = context
  const known = catalog.route(flashSaleId, productId)
  if (known.kind === 'open') return sell(request, known.topic, context)
  const route = known.kind === 'unknown' ? await catalog.lookUp(flashSaleId, productId) : known
  switch (route.kind) {
    case 'open':
      return sell(request, route.topic, context)
    case 'no_channel':
      return sellOnceMade(request, route.firstTry, context)
    case 'unknown':
      return problem('database_unavailable')
    case 'sale_not_open':
    case 'product_not_in_sale':
      return refuseHere(request, route.kind, context)
  }
}

/** The queue of a sale that an operator has just made is a few milliseconds away. */
async function sellOnceMade(
  request: Try,
  firstTry: Promise<void> | undefined,
  context: AddToCartContext,
): Promise<Reply> {
  if (firstTry !== undefined && !(await hasEnded(firstTry, context))) return problem('overloaded')
  const route = context.catalog.route(request.flashSaleId, request.productId)
  return route.kind === 'open' ? sell(request, route.topic, context) : problem('broker_unavailable')
}

/** Waits for the first try to make a queue, for a second at most; false when too many wait already. */
async function hasEnded(
  firstTry: Promise<void>,
  { pendingReplies, clock }: AddToCartContext,
): Promise<boolean> {
  const waiting = pendingReplies.share(Promise.race([firstTry, wait(clock, firstTryMsMax)]))
  if (waiting === undefined) return false
  await waiting
  return true
}

function sell(request: Try, topic: string, context: AddToCartContext): Promise<Reply> {
  const { productId, quantity } = request
  if (context.gate.refuses(productId, quantity)) return refuseHere(request, 'sold_out', context)
  return askQueue(request, topic, context)
}

/** A shopper who repeats a key may have a hold already: that is looked up before any refusal. */
async function refuseHere(
  request: Try,
  refusal: Refusal,
  { recall }: AddToCartContext,
): Promise<Reply> {
  const { idempotencyKey } = request
  if (idempotencyKey === undefined) return refusalReply(refusal)
  return present((await recall({ ...request, idempotencyKey })) ?? { kind: 'refused', refusal })
}

async function askQueue(request: Try, topic: string, context: AddToCartContext): Promise<Reply> {
  const { pendingReplies, publisher, codec, clock, nodeId, lateReplies } = context
  const { requestId, userId, userUid, flashSaleId, productId, quantity } = request
  const { idempotencyKey = requestId } = request
  const sentAt = clock.now()
  if (!lateReplies.hasRoom(pendingReplies.size())) return problem('overloaded')
  const pending = pendingReplies.expect(requestId)
  if (pending === undefined) return problem('overloaded')
  const body = codec.seal('add_to_cart', topic, {
    requestId,
    userId,
    userUid,
    idempotencyKey,
    flashSaleId,
    productId,
    quantity,
    nodeId,
    sentAt,
  })
  publisher.publish(topic, body, (error) => {
    pendingReplies.fail(requestId, error)
  })
  const outcome = await pending
  if (outcome === 'no_answer') {
    await lateReplies.unanswered({ requestId, userId, idempotencyKey, sentAt })
    return pendingReply(requestId)
  }
  learn(request, outcome, context.gate)
  if (isOverAlready(outcome, clock.now())) {
    await lateReplies.unanswered({ requestId, userId, idempotencyKey, sentAt })
    return pendingReply(requestId)
  }
  return present(outcome)
}

/**
 * A refusal for one of these reasons shows that stock was left: the consumer refuses by its own gate first, then
 * by the shopper, and by the stock last.
 */
const shoppersOwn: readonly Refusal[] = ['purchase_limit_reached', 'cart_full', 'currency_mismatch']

function learn({ productId, quantity }: Try, outcome: AddToCartOutcome, gate: LocalGate): void {
  if (outcome.kind === 'held') {
    // A repeated hold says nothing about what is left now.
    if (!outcome.replayed) gate.notSoldOut(productId, quantity)
  } else if (outcome.refusal === 'sold_out') gate.close(productId, quantity)
  else if (shoppersOwn.includes(outcome.refusal)) gate.notSoldOut(productId, quantity)
}

/**
 * A worker whose clock is far behind gives deadlines that have passed here. Such a hold is neither told
 * as held nor as refused: the status resource says what the database makes of it.
 */
function isOverAlready(outcome: AddToCartOutcome, now: number): boolean {
  return outcome.kind === 'held' && !outcome.replayed && outcome.reservation.expiresAt <= now
}

function pendingReply(requestId: string): Reply {
  const statusUrl = `/v1/cart/requests/${requestId}`
  return {
    status: 202,
    headers: { location: statusUrl, 'retry-after': '1' },
    body: { requestId, status: 'pending', statusUrl },
  }
}

function present(outcome: AddToCartOutcome): Reply {
  if (outcome.kind === 'held') {
    const reply = {
      status: 201,
      headers: {},
      body: { reservation: reservationView(outcome.reservation) },
    }
    return outcome.replayed ? replayed(reply) : reply
  }
  return refusalReply(outcome.refusal)
}

function refusalReply(refusal: Refusal): Reply {
  return problem(refusal === 'unknown_user' ? 'unauthenticated' : refusal)
}

function replayed(reply: Reply): Reply {
  if (reply.status !== 201) return reply
  return { ...reply, headers: { ...reply.headers, 'idempotency-replayed': 'true' } }
}

function outcomeLabel(reply: Reply): string {
  if (reply.status === 201) return 'held'
  if (reply.status === 202) return 'pending'
  return (reply.body as { readonly code: string }).code
}
