import { expect, test } from 'vitest'
import { histogram, latencyOf, percentile, roundStep } from './statistics.ts'

test('percentiles are values that occurred', () => {
  const hundred = Array.from({ length: 100 }, (_, index) => index + 1)
  expect([0.5, 0.95, 0.99, 1].map((share) => percentile(hundred, share))).toEqual([50, 95, 99, 100])
  expect(percentile([7], 0.5)).toBe(7)
})

test('latencies are sorted by their size, not as words', () => {
  expect(latencyOf([100, 9, 20])).toEqual({ answers: 3, p50: 20, p95: 100, p99: 100, max: 100 })
  expect(latencyOf([])).toBeNull()
})

test('a histogram loses nothing and begins at nought', () => {
  const bins = histogram([0, 4.9, 5, 14], 5)
  expect(bins.map(({ count }) => count)).toEqual([2, 1, 1])
  expect(bins[0]).toEqual({ from: 0, to: 5, count: 2 })
})

test.each([
  [3461, 40, 100],
  [10, 5, 2],
  [11, 5, 5],
  [0.7, 10, 0.1],
])('of %d in at most %d steps each is %d', (largest, stepsMax, step) => {
  expect(roundStep(largest, stepsMax)).toBeCloseTo(step)
})
