import { wait, type Clock } from '../clock.ts'
import { DatabaseUnavailableError, type Database } from '../db/database.ts'
import { reserveBatch } from '../db/reserve/reserve-batch.ts'
import type { AddToCartOutcome, ReserveRequest } from '../domain/reservation.ts'
import type { NewId } from '../ids.ts'
import type { Logger } from '../logger.ts'
import type { AddToCart } from '../messaging/messages.ts'
import type { Metrics } from '../metrics.ts'
import type { SoldOutGate } from './sold-out-gate.ts'

/**
 * A delivered add-to-cart request. This file decides requests: the gate refuses those that cannot
 * have a recorded outcome, and one transaction per batch decides the others. Returned outcomes are
 * committed.
 */
export interface Delivery {
  readonly request: AddToCart
  /** The number of deliveries by the broker, this one included. */
  readonly attempts: number
}

export interface DeciderOptions {
  readonly database: Database
  readonly gate: SoldOutGate
  readonly clock: Clock
  readonly newId: NewId
  readonly logger: Logger
  readonly metrics: Metrics
  /** Older requests never take stock, ms. */
  readonly maxAgeMs: number
}

export interface Decider {
  /** Returns the refusal of a request that needs no read of the database. */
  refuse(delivery: Delivery): AddToCartOutcome | undefined
  /**
   * Decides requests by the database. Returns one outcome per request, in order; undefined for a request
   * that the database cannot process. While the database is unavailable it waits and calls `onWait`.
   * @throws DatabaseUnavailableError when `goOn` ends the wait.
   */
  ask(deliveries: readonly Delivery[], patience: Patience): Promise<readonly Answer[]>
}

export type Answer = AddToCartOutcome | undefined

export interface Patience {
  readonly onWait: () => void
  readonly goOn: () => boolean
}

const retryDelayMs = 250
const soldOut: AddToCartOutcome = { kind: 'refused', refusal: 'sold_out' }

export function createDecider(options: DeciderOptions): Decider {
  const { database, gate, clock, newId, logger, metrics, maxAgeMs } = options

  function refuse({ request, attempts }: Delivery): AddToCartOutcome | undefined {
    // A key the shopper chose, or a second delivery, may have a recorded hold to repeat.
    if (attempts > 1 || request.idempotencyKey !== request.requestId) return undefined
    if (!gate.refuses(request.productId, request.quantity, request.sentAt)) return undefined
    metrics.reserveRequests.inc({ outcome: 'sold_out', asked: 'gate' })
    return soldOut
  }

  async function ask(deliveries: readonly Delivery[], patience: Patience) {
    metrics.reserveBatchSize.observe(deliveries.length)
    try {
      return await askPatiently(deliveries, patience)
    } catch (error) {
      if (error instanceof DatabaseUnavailableError) throw error
      logger.error({ err: error, batchSize: deliveries.length }, 'batch failed, trying one by one')
    }
    // A request that the database cannot process must not fail the others of its batch.
    const answers: Answer[] = []
    for (const delivery of deliveries) answers.push(await askAlone(delivery, patience))
    return answers
  }

  async function askAlone(delivery: Delivery, patience: Patience): Promise<Answer> {
    try {
      return (await askPatiently([delivery], patience))[0]
    } catch (error) {
      if (error instanceof DatabaseUnavailableError) throw error
      logger.error({ err: error, requestId: delivery.request.requestId }, 'request failed')
      return undefined
    }
  }

  /**
   * Waits for the database and keeps the messages: given back they could not take stock any more.
   */
  async function askPatiently(deliveries: readonly Delivery[], patience: Patience) {
    for (;;) {
      try {
        return await askOnce(deliveries)
      } catch (error) {
        if (!(error instanceof DatabaseUnavailableError) || !patience.goOn()) throw error
        logger.warn({ err: error, batchSize: deliveries.length }, 'database unavailable, waiting')
      }
      patience.onWait()
      await wait(clock, retryDelayMs)
    }
  }

  async function askOnce(deliveries: readonly Delivery[]): Promise<readonly AddToCartOutcome[]> {
    const { requests, outcomes } = await database.transaction(function* () {
      // The age is checked under the lock: a request may have become too old while waiting for it.
      const requests = deliveries.map(toReserveRequest)
      const outcomes = yield* reserveBatch(requests, { now: clock.now(), newId })
      return { requests, outcomes }
    })
    for (const [index, outcome] of outcomes.entries()) note(requests[index], outcome)
    return outcomes
  }

  function toReserveRequest({ request, attempts }: Delivery): ReserveRequest {
    const { requestId, userId, userUid, idempotencyKey, sentAt } = request
    const { flashSaleId, productId, quantity } = request
    const late = attempts > 1 || clock.now() - sentAt > maxAgeMs
    const closed = gate.refuses(productId, quantity, sentAt)
    const refuseUnlessRecorded = late ? 'too_late' : closed ? 'sold_out' : undefined
    const wish = { flashSaleId, productId, quantity }
    return { requestId, userId, userUid, idempotencyKey, ...wish, refuseUnlessRecorded }
  }

  function note(request: ReserveRequest | undefined, outcome: AddToCartOutcome): void {
    if (request === undefined) throw new Error('more outcomes than requests')
    const label = outcome.kind === 'held' ? 'held' : outcome.refusal
    metrics.reserveRequests.inc({ outcome: label, asked: 'database' })
    if (label === 'sold_out' && request.refuseUnlessRecorded === undefined) {
      gate.close(request.productId, request.quantity)
    }
  }

  return { refuse, ask }
}
