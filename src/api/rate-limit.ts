import { LRUCache } from 'lru-cache'
import type { Clock } from '../clock.ts'

export interface RateLimit {
  /** Takes one token of the user's bucket; false when it is empty. */
  take(userId: number): boolean
}

const usersMax = 100_000
const burstFactor = 2

interface Bucket {
  tokens: number
  at: number
}

/** A token bucket per user, refilled with `perSecond`, twice that deep. 0 is no limit. */
export function createRateLimit(perSecond: number, clock: Clock): RateLimit {
  const buckets = new LRUCache<number, Bucket>({ max: usersMax })
  const depth = Math.max(1, perSecond * burstFactor)

  return {
    take(userId) {
      if (perSecond === 0) return true
      const now = clock.monotonic()
      const bucket = buckets.get(userId) ?? { tokens: depth, at: now }
      bucket.tokens = Math.min(depth, bucket.tokens + ((now - bucket.at) / 1000) * perSecond)
      bucket.at = now
      buckets.set(userId, bucket)
      if (bucket.tokens < 1) return false
      bucket.tokens -= 1
      return true
    },
  }
}
