import { describe, expect, it } from 'vitest'
import { createFakeClock } from '../../../test/support/fake-clock.ts'
import { createRateLimit } from './rate-limit.ts'

const takeMany = (take: () => boolean, count: number): number =>
  Array.from({ length: count }, take).filter(Boolean).length

describe('the rate limit', () => {
  it('is none at 0', () => {
    const limit = createRateLimit(0, createFakeClock())
    expect(takeMany(() => limit.take(1), 10_000)).toBe(10_000)
  })

  it('lets a burst of two seconds’ worth through, then the rate', () => {
    const clock = createFakeClock()
    const limit = createRateLimit(5, clock)
    expect(takeMany(() => limit.take(1), 30)).toBe(10)
    clock.advance(1_000)
    expect(takeMany(() => limit.take(1), 30)).toBe(5)
    clock.advance(199)
    expect(limit.take(1)).toBe(false)
    clock.advance(2)
    expect(limit.take(1)).toBe(true)
  })

  it('saves up no more than the burst', () => {
    const clock = createFakeClock()
    const limit = createRateLimit(5, clock)
    limit.take(1)
    clock.advance(3_600_000)
    expect(takeMany(() => limit.take(1), 30)).toBe(10)
  })

  it('counts every user alone', () => {
    const limit = createRateLimit(1, createFakeClock())
    expect(takeMany(() => limit.take(1), 9)).toBe(2)
    expect(takeMany(() => limit.take(2), 9)).toBe(2)
  })

  it('works below one request a second', () => {
    const clock = createFakeClock()
    const limit = createRateLimit(0.1, clock)
    expect(takeMany(() => limit.take(1), 5)).toBe(1)
    clock.advance(9_000)
    expect(limit.take(1)).toBe(false)
    clock.advance(1_001)
    expect(limit.take(1)).toBe(true)
  })

  it('is not fooled by a step of the wall clock', () => {
    const clock = createFakeClock()
    const limit = createRateLimit(1, clock)
    takeMany(() => limit.take(1), 5)
    clock.step(3_600_000)
    expect(limit.take(1)).toBe(false)
  })
})
