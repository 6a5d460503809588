import type { Cancel, Clock } from '../../clock.ts'
import type { AddToCartOutcome } from '../../domain/reservation.ts'
import type { Service } from '../../lifecycle.ts'

/**
 * Holds add-to-cart requests open until their outcome arrives from the queue, up to a maximum. A
 * request whose outcome is late gets `no_answer` (202), and `settle` returns false when it arrives
 * after that.
 */
export interface PendingReplies extends Service {
  /** Waits for the outcome of this request; undefined when too many are waiting already. */
  expect(requestId: string): Promise<AddToCartOutcome | 'no_answer'> | undefined
  /**
   * Waits for a reply that somebody else waits for already; undefined when too many are waiting.
   */
  share<T>(reply: Promise<T>): Promise<T> | undefined
  /** Passes the outcome to the waiting request; returns false when none waits. */
  settle(requestId: string, outcome: AddToCartOutcome): boolean
  /** Ends the wait with an error; it does nothing when the outcome was faster. */
  fail(requestId: string, error: unknown): void
  /** Returns the number of waiting requests, with those that share a reply. */
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

/** One timer serves all requests: 10,000 timers would take too much memory. */
const expireEveryMs = 50
const expiredAtOnceMax = 100

export function createPendingReplies(options: PendingRepliesOptions): PendingReplies {
  const { clock, pendingRepliesMax, replyTimeoutMs } = options
  // All wait equally long, so the order of insertion is the order of the deadlines.
  const waiting = new Map<string, Waiting>()
  let sharing = 0
  let cancel: Cancel = () => undefined
  let cancelRest: Cancel = () => undefined

  /** Answers overdue requests, some at a time: a whole crowd at once would stop the event loop. */
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
