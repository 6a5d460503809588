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
/** The 202 does not wait longer than this to be written down; this node knows it meanwhile. */
const recordedWithinMs = 1_000

interface Remembered extends UnansweredRequest {
  readonly refusal?: Refusal
  /** The earlier request of the same key, whose hold this one was answered with. */
  readonly heldAs?: string
}

type Note =
  | { readonly kind: 'unanswered'; readonly request: UnansweredRequest; readonly done: () => void }
  | { readonly kind: 'refused'; readonly requestId: string; readonly refusal: Refusal }

export function createLateReplies(options: LateRepliesOptions): LateReplies {
  const { database, clock, logger, defer, maxAgeMs } = options
  /** Bridges a database that cannot be written right now. */
  const remembered = new LRUCache<string, Remembered>({
    max: rememberedMax,
    ttl: maxAgeMs + graceMs,
  })
  // One queue for both kinds: a refusal is never written before its request is.
  const notes = createBatcher<Note>({ run: record, batchSizeMax, defer })

  async function record(batch: readonly Note[]): Promise<void> {
    const unanswered = batch.filter((note) => note.kind === 'unanswered')
    const refused = batch.filter((note) => note.kind === 'refused')
    try {
      await database.transaction(function* () {
        yield* recordUnanswered(unanswered.map(({ request }) => request))
        yield* recordLateRefusals(refused)
      })
    } catch (error) {
      logger.warn({ err: error, requests: batch.length }, 'late replies not recorded')
    }
    for (const { done } of unanswered) done()
  }

  function unanswered(request: UnansweredRequest): Promise<void> {
    remembered.set(request.requestId, request)
    return new Promise((resolve) => {
      const cancel = clock.after(recordedWithinMs, resolve)
      const done = (): void => {
        cancel()
        resolve()
      }
      notes.add({ kind: 'unanswered', request, done })
    })
  }

  function arrived(requestId: string, outcome: AddToCartOutcome): void {
    const own = remembered.get(requestId)
    if (own === undefined) return
    if (outcome.kind === 'held') {
      // A hold of its own is found by its id; one of an earlier request with the same key is not.
      remembered.set(requestId, { ...own, heldAs: outcome.reservation.id })
      return
    }
    const { refusal } = outcome
    remembered.set(requestId, { ...own, refusal })
    notes.add({ kind: 'refused', requestId, refusal })
  }

  async function status(userId: number, requestId: string): Promise<RequestStatus | undefined> {
    const found = remembered.get(requestId)
    const own = found?.userId === userId ? found : undefined
    const written = await database.read(() => readRequestStatus(userId, own?.heldAs ?? requestId))
    const known = written ?? (own && { kind: 'pending', sentAt: own.sentAt })
    if (known?.kind !== 'pending') return known
    if (own?.refusal !== undefined) return { kind: 'refused', refusal: own.refusal }
    const over = clock.now() - known.sentAt > maxAgeMs + graceMs
    return over ? { kind: 'refused', refusal: 'too_late' } : known
  }

  return { unanswered, arrived, status }
}
