import { LRUCache } from 'lru-cache'
import { createBatcher } from '../../batcher.ts'
import { wait, type Clock } from '../../clock.ts'
import {
  readRequestStatus,
  recordLateRefusals,
  recordUnanswered,
  type RequestStatus,
  type UnansweredRequest,
} from '../../db/reserve/add-to-cart-requests.ts'
import { DatabaseUnavailableError, type Database } from '../../db/database.ts'
import type { Refusal } from '../../domain/refusal.ts'
import type { AddToCartOutcome } from '../../domain/reservation.ts'
import type { Service } from '../../lifecycle.ts'
import type { Logger } from '../../logger.ts'

/**
 * What happens when the reply is late: the shopper was told 202, the request is written down so that
 * every node can tell its status, and the outcome is added when it arrives after all. Unknown is never
 * reported as failed: a request is refused as too late only after that refusal is written where the
 * consumer must find it.
 */
export interface LateReplies extends Service {
  /** The shopper is about to be told 202. */
  unanswered(request: UnansweredRequest): Promise<void>
  /** An outcome nobody waits for any more. */
  arrived(requestId: string, outcome: AddToCartOutcome): void
  /** What is known of the user's own request; undefined when nothing is. */
  status(userId: number, requestId: string): Promise<RequestStatus | undefined>
  /** Waits until everything told is written down: nobody else would know it. */
  stop(): Promise<void>
}

export interface LateRepliesOptions {
  readonly database: Database
  readonly clock: Clock
  readonly logger: Logger
  readonly defer: (task: () => void) => void
  /** From this age on a request cannot take stock any more, ms. */
  readonly maxAgeMs: number
  /** Requests that are remembered; 50000 unless given. */
  readonly shoppersMax?: number
}

const batchSizeMax = 1_000
const notesMax = 50_000
/** A batch that was begun in time may still commit a little later. */
const graceMs = 10_000
/** The 202 does not wait longer than this to be written down; this node knows it meanwhile. */
const recordedWithinMs = 500
const retryDelayMs = 1_000

interface Remembered extends UnansweredRequest {
  readonly refusal?: Refusal
}

type Note =
  | { readonly kind: 'unanswered'; readonly request: UnansweredRequest; readonly done: () => void }
  | { readonly kind: 'refused'; readonly request: UnansweredRequest; readonly refusal: Refusal }

export function createLateReplies(options: LateRepliesOptions): LateReplies {
  const { database, clock, logger, defer, maxAgeMs } = options
  const remembered = createMemory(options)
  // One queue for both kinds: a refusal is never written before its request is.
  const notes = createBatcher<Note>({ run: record, batchSizeMax, defer })

  async function record(batch: readonly Note[]): Promise<void> {
    try {
      await database.transaction(() => recordNotes(batch))
      for (const note of batch) if (note.kind === 'unanswered') note.done()
    } catch (error) {
      logger.warn({ err: error, notes: batch.length }, 'late replies not recorded, will try again')
      await wait(clock, retryDelayMs)
      for (const note of batch) if (isWorthKeeping(note)) notes.add(note)
    }
  }

  function isWorthKeeping({ request }: Note): boolean {
    return notes.size() < notesMax && !isOver(request.sentAt)
  }

  const isOver = (sentAt: number): boolean => clock.now() - sentAt > maxAgeMs + graceMs

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
    const request = remembered.get(requestId)
    // A hold is found in the database.
    if (request === undefined || outcome.kind === 'held') return
    remembered.set(requestId, { ...request, refusal: request.refusal ?? outcome.refusal })
    notes.add({ kind: 'refused', request, refusal: outcome.refusal })
  }

  async function status(userId: number, requestId: string): Promise<RequestStatus | undefined> {
    const found = remembered.get(requestId)
    const own = found?.userId === userId ? found : undefined
    const written = await database.read(() => readRequestStatus(userId, requestId))
    const known = written ?? (own && { kind: 'pending', sentAt: own.sentAt })
    if (known?.kind !== 'pending') return known
    if (own?.refusal !== undefined) return { kind: 'refused', refusal: own.refusal }
    return isOver(known.sentAt) ? refuseForGood(userId, requestId, known) : known
  }

  /** Written first and told then: whoever still has the message finds the refusal. */
  async function refuseForGood(
    userId: number,
    requestId: string,
    pending: RequestStatus,
  ): Promise<RequestStatus | undefined> {
    try {
      return await database.transaction(function* () {
        yield* recordLateRefusals([{ requestId, refusal: 'too_late' }])
        return (yield* readRequestStatus(userId, requestId)) ?? pending
      })
    } catch (error) {
      if (error instanceof DatabaseUnavailableError) return pending
      throw error
    }
  }

  return {
    name: 'late replies',
    start: () => Promise.resolve(),
    stop: () => notes.idle(),
    unanswered,
    arrived,
    status,
  }
}

/** Bridges a database that cannot be written right now. */
function createMemory({ clock, maxAgeMs, shoppersMax = notesMax }: LateRepliesOptions) {
  return new LRUCache<string, Remembered>({
    max: shoppersMax,
    ttl: maxAgeMs + graceMs,
    perf: { now: () => clock.monotonic() },
    // Else it remembers the time for a real millisecond, by a timer of its own.
    ttlResolution: 0,
  })
}

function* recordNotes(batch: readonly Note[]) {
  const unanswered = batch.filter((note) => note.kind === 'unanswered')
  const refused = batch.filter((note) => note.kind === 'refused')
  yield* recordUnanswered(unanswered.map(({ request }) => request))
  yield* recordLateRefusals(
    refused.map(({ request: { requestId }, refusal }) => ({ requestId, refusal })),
  )
}
