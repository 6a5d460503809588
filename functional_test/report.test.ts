import { expect, test } from 'vitest'
import { emptyHistory } from './history.ts'
import { findingLines, outcomeTable, percentile, verdictLine } from './report.ts'

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
  const settled = { startedAt: 0, settledAt: 1 }
  const history = emptyHistory()
  history.tries.push(
    { bot: 0, phase: 'race', ...settled, outcome: 'held', code: null },
    { bot: 1, phase: 'race', ...settled, outcome: 'refused', code: 'sold_out' },
    { bot: 2, phase: 'race', ...settled, outcome: 'refused', code: 'sold_out' },
    { bot: 1, phase: 'return', ...settled, outcome: 'held', code: null },
  )
  const table = outcomeTable(history)
  expect(table).toMatch(/held +1 +1\n/)
  expect(table).toMatch(/refused: sold_out +2 +0\n/)
})

test('percentiles are values that occurred', () => {
  const hundred = Array.from({ length: 100 }, (_, index) => index + 1)
  expect([0.5, 0.95, 0.99, 1].map((share) => percentile(hundred, share))).toEqual([50, 95, 99, 100])
  expect(percentile([7], 0.5)).toBe(7)
})
