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
 * Handles replies that come late. The shopper gets 202, and the request is written down so that
 * every node can tell its status; the outcome is added when it arrives. An unknown outcome is never
 * reported as failed: a request is refused as `too_late` only after the consumer must find that
 * refusal.
 */
export interface LateReplies extends Service {
  /**
   * Tells whether there is room for one more request while `waiting` others wait for their replies:
   * each of them may have to be kept here until an unavailable database is back.
   */
  hasRoom(waiting: number): boolean
  /** Notes a request whose shopper is about to get 202. */
  unanswered(request: UnansweredRequest): Promise<void>
  /** Notes an outcome that came after the 202. */
  arrived(requestId: string, outcome: AddToCartOutcome): void
  /** Returns the status of the user's own request; undefined when it is unknown. */
  status(userId: number, requestId: string): Promise<RequestStatus | undefined>
  /** Waits until every 202 is written down: only this node knows of them. */
  stop(): Promise<void>
}

export interface LateRepliesOptions {
  readonly database: Database
  readonly clock: Clock
  readonly logger: Logger
  readonly defer: (task: () => void) => void
  /** A request of this age cannot take stock any more, ms. */
  readonly maxAgeMs: number
  /**
   * Requests that may wait to be written down, at most; at least as many as may wait for a reply.
   */
  readonly unwrittenMax: number
}

const batchSizeMax = 1_000
/** Requests remembered after they are written down; the database knows the others. */
const rememberedMax = 50_000
/** A batch that began in time may commit this much later. */
const graceMs = 10_000
/** A 202 waits for its record no longer than this; meanwhile this node remembers it. */
const recordedWithinMs = 500
const retryDelayMs = 1_000

interface Remembered extends UnansweredRequest {
  readonly refusal?: Refusal
}

type Note =
  | { readonly kind: 'unanswered'; readonly request: UnansweredRequest; readonly done: () => void }
  | { readonly kind: 'refused'; readonly request: UnansweredRequest; readonly refusal: Refusal }

export function createLateReplies(options: LateRepliesOptions): LateReplies {
  const { database, clock, logger, defer, maxAgeMs, unwrittenMax } = options
  const remembered = createMemory(options)
  // Requests and refusals share one queue, so that a refusal is never written before its request.
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
    return !isOver(request.sentAt)
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
    // A hold needs no note, because it is in the database.
    if (request === undefined || outcome.kind === 'held') return
    // The first refusal stands, and one note per request keeps the notes bounded.
    if (request.refusal !== undefined) return
    remembered.set(requestId, { ...request, refusal: outcome.refusal })
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

  /**
   * Writes the refusal before it is told, so that a consumer which still has the message finds it.
   */
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
    hasRoom: (waiting) => notes.size() + waiting < unwrittenMax,
    unanswered,
    arrived,
    status,
  }
}

/** Makes the memory that replaces the database while it cannot be written. */
function createMemory({ clock, maxAgeMs }: LateRepliesOptions) {
  return new LRUCache<string, Remembered>({
    // Not `max`: that makes the room for all at the start, which takes tens of milliseconds.
    maxSize: rememberedMax,
    sizeCalculation: () => 1,
    ttl: maxAgeMs + graceMs,
    perf: { now: () => clock.monotonic() },
    // Without this the cache remembers the time for a real millisecond, by a timer of its own.
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
