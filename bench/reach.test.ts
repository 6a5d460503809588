import { expect, test } from 'vitest'
import { judgeGoals, type Goal } from './reach.ts'
import { cellOf, resultOf, type Given } from './result-fixture.ts'
import { canonicalScale } from './scale.ts'
import { summarize } from './statistics.ts'

function judged(
  results: Readonly<Record<string, readonly Given[]>>,
  what: RegExp,
): Goal | undefined {
  const all = Object.entries(results).flatMap(([id, rounds]) =>
    rounds.map((given) => resultOf(cellOf(id), given)),
  )
  return judgeGoals(summarize(all), canonicalScale).find((goal) => what.test(goal.what))
}

test('a ratio reaches its goal at the limit, and not below it', () => {
  const easy = [{ answers: { 201: 100 } }]
  const goal = (holds: number) =>
    judged({ 'plenty/nsq': [{ answers: { 201: holds } }], 'plenty/easy': easy }, /nsq ÷ easy/)
  expect(goal(500)).toMatchObject({ reached: true, measured: { median: 5 } })
  expect(goal(499)).toMatchObject({ reached: false })
})

test('the median decides, not the best round', () => {
  const latency = (p99: number): Given => ({ latency: { p50: 1, p99, max: p99 } })
  const goal = judged({ 'race/nsq': [latency(100), latency(2_100), latency(2_200)] }, /race, p99/)
  expect(goal).toMatchObject({ reached: false, measured: { min: 100, max: 2_200 } })
})

test('a bot that was answered with a 5xx or not at all is counted', () => {
  const answers = { 201: 1_000, '409 sold_out': 8_990, '503 overloaded': 7 }
  const goal = judged({ 'race/nsq': [{ answers }] }, /bots with no answer/)
  expect(goal).toMatchObject({ reached: false, measured: { median: 10 } })
})

test('what was not measured is not reached', () => {
  const goal = judged({}, /memory/)
  expect(goal).toMatchObject({ measured: undefined, reached: false })
})

test('statements are told per refusal, and unknown is not zero', () => {
  const answers = { '409 sold_out': 1_000 }
  const goal = (databaseWork: Given['databaseWork']) =>
    judged({ 'sold-out/nsq': [{ answers, databaseWork }] }, /^database/)
  expect(goal({ unit: 'statements', count: 5 })).toMatchObject({
    what: 'database statements per refused request when sold out, nsq',
    reached: true,
    measured: { median: 0.005 },
  })
  expect(goal({ unit: 'requests', count: 500 })).toMatchObject({
    what: 'database requests per refused request when sold out, nsq',
    reached: false,
  })
  expect(goal(undefined)).toMatchObject({ reached: false })
})
