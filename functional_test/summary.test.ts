import { expect, test } from 'vitest'
import { summaryOfASmallRun } from './testing/small-run.ts'

const summary = summaryOfASmallRun()

test('the rates begin with the first byte sent and end with the last such answer', () => {
  expect(summary.race).toEqual({
    connectSeconds: 0.5,
    sentWithinMs: 5,
    answeredWithinMs: 20,
    holds: 1,
    holdsPerSecond: 100,
    holdsWithinMs: 10,
    refusals: 1,
    refusalsPerSecond: 50,
    refusalsWithinMs: 20,
  })
})

test('holds and refusals are counted apart, second by second', () => {
  expect(summary.perSecond).toEqual([
    { second: 0, holds: 1, refusals: 1 },
    { second: 1, holds: 1, refusals: 0 },
  ])
  expect(summary.busiestSecond).toEqual({ holds: 1, refusals: 1 })
})

test('latencies of the race are not those of coming back', () => {
  const ofStep = (name: string) => summary.latencies.find(({ step }) => step === name)
  expect(ofStep('add to cart, race')).toMatchObject({ answers: 2, max: 15 })
  expect(ofStep('add to cart, coming back')).toMatchObject({ answers: 1, max: 10 })
})

test('the histograms of holds and of refusals have the same bins', () => {
  const [held, refused] = [summary.raceLatencies.held, summary.raceLatencies.refused]
  expect(held.reduce((sum, { count }) => sum + count, 0)).toBe(1)
  expect(refused.reduce((sum, { count }) => sum + count, 0)).toBe(1)
  expect(held[0]).toMatchObject({ from: refused[0]!.from, to: refused[0]!.to })
})

test('it is JSON without loss', () => {
  expect(JSON.parse(JSON.stringify(summary))).toEqual(summary)
})

test('the first second is told in slices, and later answers are in none of them', () => {
  const { firstSecond } = summary
  expect(firstSecond).toHaveLength(20)
  expect(firstSecond[0]).toEqual({ fromMs: 0, holds: 1, refusals: 1 })
  expect(firstSecond.slice(1).every((row) => row.holds + row.refusals === 0)).toBe(true)
})
