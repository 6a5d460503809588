import { expect, test } from 'vitest'
import { findingLines, printTables, verdictLine } from './report.ts'
import { summaryOfASmallRun } from './testing/small-run.ts'

const good = { id: 'B1', title: 'fine', violations: 0, measured: '0 of 9', examples: [] }
const bad = { id: 'B2', title: 'broken', violations: 2, measured: '2 of 9', examples: ['unit 7'] }

test('a violated invariant is marked, with its number and an example', () => {
  expect(findingLines([good, bad]).split('\n')).toEqual([
    '  holds     B1  fine    0 of 9',
    '  VIOLATED  B2  broken  2 of 9',
    '            unit 7',
  ])
})

test('the verdict counts the violated invariants', () => {
  expect(verdictLine([good])).toBe('VERDICT: all 1 invariants hold')
  expect(verdictLine([good, bad])).toBe('VERDICT: 1 of 2 invariants VIOLATED')
})

test('holds and refusals are told apart, and the race from coming back', () => {
  const tables = printTables(summaryOfASmallRun())
  expect(tables).toMatch(/held +1 +1\n/)
  expect(tables).toMatch(/refused: sold_out +1 +0\n/)
  expect(tables).toMatch(
    /holds +1 in the race within 10 ms, a rate of 100 per second; in the busiest second 1\n/,
  )
  expect(tables).toMatch(
    /refusals +1 in the race within 20 ms, a rate of 50 per second; in the busiest second 1\n/,
  )
})

test('every process is told with its peak memory, and where a number was only sampled', () => {
  const tables = printTables(summaryOfASmallRun())
  expect(tables).toMatch(/bots +120\n/)
  expect(tables).toMatch(/host +250 +sampled from \/metrics/)
})

test('a crowd that took longer than a second to ask is no crowd, and it says so', () => {
  const summary = summaryOfASmallRun()
  expect(printTables(summary)).toContain(
    '2 first add-to-carts, first to last byte sent within 5 ms\n',
  )
  const slow = { ...summary, race: { ...summary.race, sentWithinMs: 1_200 } }
  expect(printTables(slow)).toContain('within 1200 ms: MORE THAN A SECOND')
})
