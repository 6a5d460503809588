import type { Cancel, Clock } from '../../clock.ts'
import type { AddToCartOutcome } from '../../domain/reservation.ts'
import type { Service } from '../../lifecycle.ts'

/**
 * Add-to-cart requests held open until their outcome arrives from the queue. Bounded: when full,
 * nobody else may wait. When the reply is late, the request is answered `no_answer` (202), and
 * `settle` says false when the outcome arrives after that.
 */
export interface PendingReplies extends Service {
  /** Waits for the outcome of this request; undefined when too many are waiting already. */
  expect(requestId: string): Promise<AddToCartOutcome | 'no_answer'> | undefined
  /** Waits for a reply that somebody else waits for already; undefined when too many are waiting. */
  share<T>(reply: Promise<T>): Promise<T> | undefined
  /** Hands the outcome to whoever waits for this request; false when nobody does. */
  settle(requestId: string, outcome: AddToCartOutcome): boolean
  /** Ends the waiting with an error; harmless when the outcome was faster. */
  fail(requestId: string, error: unknown): void
  /** Who wait, those who share a reply included. */
  size(): number
}

export interface PendingRepliesOptions {
  readonly clock: Clock
  readonly pendingRepliesMax: number
  readonly replyTimeoutMs: number
}

interface Waiting {
  readonly deadline: number
  readonly resolve: (outcome: AddToCartOutcome | 'no_answer') => void
  readonly reject: (error: unknown) => void
}

/** One timer for all, not one each: at 10,000 waiting that is what fits into memory. */
const expireEveryMs = 50
const expiredAtOnceMax = 100

export function createPendingReplies(options: PendingRepliesOptions): PendingReplies {
  const { clock, pendingRepliesMax, replyTimeoutMs } = options
  // All wait equally long, so the order of insertion is the order of the deadlines.
  const waiting = new Map<string, Waiting>()
  let sharing = 0
  let cancel: Cancel = () => undefined
  let cancelRest: Cancel = () => undefined

  /** Some at a time: those who came in one second would stop the event loop together. */
  function expire(): void {
    const now = clock.monotonic()
    let count = 0
    for (const [requestId, { deadline, resolve }] of waiting) {
      if (deadline > now) return
      if (count === expiredAtOnceMax) {
        cancelRest()
        cancelRest = clock.after(0, expire)
        return
      }
      count += 1
      waiting.delete(requestId)
      resolve('no_answer')
    }
  }

  const size = (): number => waiting.size + sharing

  return {
    name: 'pending replies',
    expect(requestId) {
      if (size() >= pendingRepliesMax) return undefined
      const deadline = clock.monotonic() + replyTimeoutMs
      return new Promise((resolve, reject) => {
        waiting.set(requestId, { deadline, resolve, reject })
      })
    },
    share(reply) {
      if (size() >= pendingRepliesMax) return undefined
      sharing += 1
      return reply.finally(() => {
        sharing -= 1
      })
    },
    settle(requestId, outcome) {
      const found = waiting.get(requestId)
      if (found === undefined) return false
      waiting.delete(requestId)
      found.resolve(outcome)
      return true
    },
    fail(requestId, error) {
      const found = waiting.get(requestId)
      waiting.delete(requestId)
      found?.reject(error)
    },
    size,
    start() {
      cancel = clock.every(Math.min(expireEveryMs, replyTimeoutMs), expire)
      return Promise.resolve()
    },
    stop() {
      cancel()
      cancelRest()
      for (const { resolve } of waiting.values()) resolve('no_answer')
      waiting.clear()
      return Promise.resolve()
    },
  }
}
