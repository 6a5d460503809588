import { LRUCache } from 'lru-cache'
import { createBatcher } from '../batcher.ts'
import {
  readRequestStatus,
  recordLateRefusals,
  recordUnanswered,
  type RequestStatus,
  type UnansweredRequest,
} from '../db/add-to-cart-requests.ts'
import type { Database } from '../db/database.ts'
import type { Refusal } from '../domain/refusal.ts'
import type { AddToCartOutcome } from '../domain/reservation.ts'
import type { Clock } from '../clock.ts'
import type { Logger } from '../logger.ts'

/**
 * What happens when the reply is late: the shopper was told 202, the request is written down so that
 * every node can tell its status, and the outcome is added when it arrives after all. Unknown is never
 * reported as failed: a request is refused for good only when it can no longer take stock.
 */
export interface LateReplies {
  /** The shopper is about to be told 202. */
  unanswered(request: UnansweredRequest): Promise<void>
  /** An outcome nobody waits for any more. */
  arrived(requestId: string, outcome: AddToCartOutcome): void
  /** What is known of the user's own request; undefined when nothing is. */
  status(userId: number, requestId: string): Promise<RequestStatus | undefined>
}

export interface LateRepliesOptions {
  readonly database: Database
  readonly clock: Clock
  readonly logger: Logger
  readonly defer: (task: () => void) => void
  /** From this age on a request cannot take stock any more, ms. */
  readonly maxAgeMs: number
}

const batchSizeMax = 1_000
const rememberedMax = 50_000
/** A batch that was begun in time may still commit a little later. */
const graceMs = 10_000

interface Unanswered extends UnansweredRequest {
  readonly recorded: () => void
}

export function createLateReplies(options: LateRepliesOptions): LateReplies {
  const { database, clock, logger, defer, maxAgeMs } = options
  /** Bridges a database that cannot be written right now. */
  const remembered = new LRUCache<string, UnansweredRequest>({
    max: rememberedMax,
    ttl: maxAgeMs + graceMs,
  })
  const unanswered = createBatcher<Unanswered>({ run: record, batchSizeMax, defer })
  const refusals = createBatcher<{ requestId: string; refusal: Refusal }>({
    run: recordRefusals,
    batchSizeMax,
    defer,
  })

  async function record(batch: readonly Unanswered[]): Promise<void> {
    try {
      await database.transaction(() => recordUnanswered(batch))
    } catch (error) {
      logger.warn({ err: error, requests: batch.length }, 'unanswered requests not recorded')
    }
    for (const { recorded } of batch) recorded()
  }

  async function recordRefusals(
    batch: readonly { requestId: string; refusal: Refusal }[],
  ): Promise<void> {
    try {
      await database.transaction(() => recordLateRefusals(batch))
    } catch (error) {
      logger.warn({ err: error, requests: batch.length }, 'late refusals not recorded')
    }
  }

  return {
    unanswered: (request) =>
      new Promise((recorded) => {
        remembered.set(request.requestId, request)
        unanswered.add({ ...request, recorded })
      }),
    arrived(requestId, outcome) {
      if (outcome.kind === 'held' || !remembered.has(requestId)) return
      refusals.add({ requestId, refusal: outcome.refusal })
    },
    async status(userId, requestId) {
      const status = await database.read(() => readRequestStatus(userId, requestId))
      const own = remembered.get(requestId)
      const known =
        status ?? (own?.userId === userId ? { kind: 'pending', sentAt: own.sentAt } : undefined)
      if (known?.kind !== 'pending') return known
      const over = clock.now() - known.sentAt > maxAgeMs + graceMs
      return over ? { kind: 'refused', refusal: 'too_late' } : known
    },
  }
}
