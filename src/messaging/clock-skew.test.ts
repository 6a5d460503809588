import { beforeEach, describe, expect, it } from 'vitest'
import { createLogger } from '../logger.ts'
import { createMetrics, type Metrics } from '../metrics.ts'
import { createFakeClock, type FakeClock } from '../../test/support/fake-clock.ts'
import { createClockSkew, type ClockSkew } from './clock-skew.ts'

describe('the clocks of other nodes', () => {
  let clock: FakeClock
  let metrics: Metrics
  let lines: string[]

  const measure = (finds: 'ahead' | 'ahead_and_behind'): ClockSkew => {
    const destination = { write: (line: string) => void lines.push(line) }
    return createClockSkew({
      clock,
      metrics,
      finds,
      logger: createLogger('warn', {}, { destination }),
    })
  }
  const shown = async (): Promise<number | undefined> =>
    (await metrics.clockSkewSeconds.get()).values[0]?.value

  beforeEach(() => {
    clock = createFakeClock()
    metrics = createMetrics()
    lines = []
  })

  /** Messages that took so long, by a sender whose clock is so far ahead; then the window is over. */
  function receive(skew: ClockSkew, aheadMs: number, ...latencies: readonly number[]): void {
    for (const latency of latencies) skew.observe('other', clock.now() + aheadMs - latency)
    clock.advance(10_000)
    skew.observe('other', clock.now() + aheadMs - 5_000)
  }

  it.each([
    ['ahead_and_behind', 40_000, 39.999],
    ['ahead_and_behind', -40_000, -40.001],
    ['ahead', 40_000, 39.999],
    ['ahead', -40_000, 0],
  ] as const)('are found %s by the fastest message: %i ms', async (finds, aheadMs, seconds) => {
    receive(measure(finds), aheadMs, 300, 1, 900)
    expect(await shown()).toBeCloseTo(seconds)
    expect(lines).toHaveLength(seconds === 0 ? 0 : 1)
  })

  it('are no reason to warn below a second', async () => {
    receive(measure('ahead_and_behind'), 999, 0)
    expect(await shown()).toBeCloseTo(0.999)
    expect(lines).toEqual([])
  })

  it('are warned of once, and again when they have been right in between', () => {
    const skew = measure('ahead_and_behind')
    receive(skew, 2_000, 0)
    receive(skew, 2_000, 0)
    expect(lines).toHaveLength(1)
    expect(lines[0]).toContain('"nodeId":"other"')
    receive(skew, 0, 0)
    receive(skew, 2_000, 0)
    expect(lines).toHaveLength(2)
  })

  it('are told apart: one that is right does not hide one that is behind', async () => {
    const skew = measure('ahead_and_behind')
    skew.observe('right', clock.now())
    receive(skew, -3_000, 0)
    expect(await shown()).toBeCloseTo(-3)
  })
})
