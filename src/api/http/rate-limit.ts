import { LRUCache } from 'lru-cache'
import type { Clock } from '../../clock.ts'

export interface RateLimit<Caller extends number | string = number> {
  /** Takes one token of the caller's bucket; false when it is empty. */
  take(caller: Caller): boolean
}

const callersMax = 100_000
const burstFactor = 2

interface Bucket {
  tokens: number
  at: number
}

/** Makes a token bucket per caller, refilled with `perSecond` and twice as large. 0 is no limit. */
export function createRateLimit<Caller extends number | string = number>(
  perSecond: number,
  clock: Clock,
): RateLimit<Caller> {
  const buckets = new LRUCache<Caller, Bucket>({
    // Not `max`: that makes the room for all at the start, which takes tens of milliseconds.
    maxSize: callersMax,
    sizeCalculation: () => 1,
  })
  const depth = Math.max(1, perSecond * burstFactor)

  return {
    take(caller) {
      if (perSecond === 0) return true
      const now = clock.monotonic()
      const bucket = buckets.get(caller) ?? { tokens: depth, at: now }
      bucket.tokens = Math.min(depth, bucket.tokens + ((now - bucket.at) / 1000) * perSecond)
      bucket.at = now
      buckets.set(caller, bucket)
      if (bucket.tokens < 1) return false
      bucket.tokens -= 1
      return true
    },
  }
}
