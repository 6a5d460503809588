import { z } from 'zod'
import { BrokerUnavailableError } from '../broker/broker.ts'
import type { Clock } from '../clock.ts'
import { DatabaseUnavailableError, type Database } from '../db/database.ts'
import { findFlashSale } from '../db/flash-sales.ts'
import { findRecordedHold } from '../db/reservations.ts'
import { limits } from '../domain/limits.ts'
import type { Refusal } from '../domain/refusal.ts'
import type { AddToCartOutcome } from '../domain/reservation.ts'
import type { NewId } from '../ids.ts'
import type { MessageCodec } from '../messages.ts'
import type { Metrics } from '../metrics.ts'
import type { LateReplies } from './late-replies.ts'
import type { LocalGate } from './local-gate.ts'
import type { PendingReplies } from './pending-replies.ts'
import { problem, type Reply } from './problem.ts'
import type { Publisher } from './publisher.ts'
import type { SaleCatalog } from './sale-catalog.ts'
import { reservationView } from './views.ts'

/**
 * Add-to-cart as the API node sees it, free of any framework: receives an authenticated, parsed
 * request, publishes it to the product's queue, holds the shopper until the outcome arrives, answers
 * 202 when it does not. It never touches stock itself.
 */
export interface AddToCartHandler {
  handle(request: AddToCartRequest): Promise<Reply>
}

export interface AddToCartRequest extends AddToCartBody {
  readonly userId: number
  /** The shopper's own; undefined when none was sent. */
  readonly idempotencyKey: string | undefined
}

export const addToCartBody = z.strictObject({
  flashSaleId: z.int().positive(),
  productId: z.int().positive(),
  quantity: z.int().min(1).max(limits.quantityMax).default(1),
})
export type AddToCartBody = z.infer<typeof addToCartBody>

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
}

interface Try extends AddToCartRequest {
  readonly requestId: string
}

interface InFlight {
  readonly wish: string
  readonly reply: Promise<Reply>
}

export function createAddToCartHandler(options: AddToCartHandlerOptions): AddToCartHandler {
  const { clock, newId, metrics } = options
  metrics.onCollect(() => {
    metrics.pendingReplies.set(options.pendingReplies.size())
  })
  /** Requests under way by shopper and key: two at once with one key are one request. */
  const inFlight = new Map<string, InFlight>()

  async function handle(request: AddToCartRequest): Promise<Reply> {
    const startedAt = clock.monotonic()
    const reply = await (request.idempotencyKey === undefined ? once(request) : shared(request))
    metrics.addToCartSeconds.observe((clock.monotonic() - startedAt) / 1000)
    metrics.addToCartOutcomes.inc({ outcome: outcomeLabel(reply) })
    return reply
  }

  async function shared(request: AddToCartRequest): Promise<Reply> {
    const { userId, idempotencyKey = '', flashSaleId, productId, quantity } = request
    const key = `${userId}/${idempotencyKey}`
    const wish = `${flashSaleId}/${productId}/${quantity}`
    const other = inFlight.get(key)
    if (other !== undefined) {
      if (other.wish !== wish) return withKey(problem('idempotency_key_reused'), idempotencyKey)
      return replayed(await other.reply)
    }
    const reply = once(request)
    inFlight.set(key, { wish, reply })
    try {
      return await reply
    } finally {
      inFlight.delete(key)
    }
  }

  async function once(request: AddToCartRequest): Promise<Reply> {
    const requestId = newId()
    const reply = await decide({ ...request, requestId }, options)
    return withKey(reply, request.idempotencyKey ?? requestId)
  }

  return { handle }
}

function withKey(reply: Reply, idempotencyKey: string): Reply {
  return { ...reply, headers: { ...reply.headers, 'idempotency-key': idempotencyKey } }
}

async function decide(request: Try, options: AddToCartHandlerOptions): Promise<Reply> {
  try {
    const { catalog, gate } = options
    const route = catalog.route(request.flashSaleId, request.productId)
    if (route.kind === 'no_channel') return problem('broker_unavailable')
    if (route.kind === 'unknown_sale') return await refuseUnknownSale(request, options)
    if (route.kind !== 'open') return await refuseHere(request, route.kind, options)
    if (gate.refuses(request.productId, request.quantity)) {
      return await refuseHere(request, 'sold_out', options)
    }
    return await askQueue(request, route.topic, options)
  } catch (error) {
    if (error instanceof BrokerUnavailableError) return problem('broker_unavailable')
    if (error instanceof DatabaseUnavailableError) return problem('database_unavailable')
    throw error
  }
}

/** A shopper who repeats a key may have a hold already: that is looked up before any refusal. */
async function refuseHere(
  request: Try,
  refusal: Refusal,
  { database }: AddToCartHandlerOptions,
): Promise<Reply> {
  const { userId, idempotencyKey } = request
  if (idempotencyKey === undefined) return present({ kind: 'refused', refusal })
  const recorded = await database.read(() => findRecordedHold({ userId, idempotencyKey }, request))
  return present(recorded ?? { kind: 'refused', refusal })
}

async function refuseUnknownSale(request: Try, options: AddToCartHandlerOptions): Promise<Reply> {
  const { flashSaleId, productId } = request
  const sale = await options.database.read(() => findFlashSale(flashSaleId))
  const offered = sale?.products.some((product) => product.productId === productId) ?? false
  return refuseHere(request, offered ? 'sale_not_open' : 'product_not_in_sale', options)
}

async function askQueue(
  request: Try,
  topic: string,
  options: AddToCartHandlerOptions,
): Promise<Reply> {
  const { pendingReplies, publisher, codec, clock, nodeId, gate, lateReplies } = options
  const { requestId, userId, flashSaleId, productId, quantity } = request
  const { idempotencyKey = requestId } = request
  const sentAt = clock.now()
  const pending = pendingReplies.expect(requestId)
  if (pending === undefined) return problem('overloaded')
  const body = codec.seal('add_to_cart', topic, {
    requestId,
    userId,
    idempotencyKey,
    flashSaleId,
    productId,
    quantity,
    nodeId,
    sentAt,
  })
  const published = publisher.publish(topic, body)
  // The outcome may overtake the broker's confirmation; a failure of it ends the waiting.
  const outcome = await Promise.race([pending, published.then(() => pending)]).catch(
    (error: unknown) => {
      pendingReplies.abandon(requestId)
      throw error
    },
  )
  if (outcome === 'no_answer') {
    await lateReplies.unanswered({ requestId, userId, idempotencyKey, sentAt })
    return pendingReply(requestId)
  }
  if (outcome.kind === 'refused' && outcome.refusal === 'sold_out') gate.close(productId, quantity)
  return present(outcome)
}

function pendingReply(requestId: string): Reply {
  const statusUrl = `/v1/cart/requests/${requestId}`
  return {
    status: 202,
    headers: { location: statusUrl, 'retry-after': '1' },
    body: { status: 'pending', statusUrl },
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
