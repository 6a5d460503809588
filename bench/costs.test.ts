import { expect, test } from 'vitest'
import { costsOf } from './costs.ts'
import { cellOf, resultOf } from './result-fixture.ts'
import { summarize } from './statistics.ts'

test('a request costs its share of the CPU time of each server process, not of the generator', () => {
  const cpuSeconds = { api: 2, worker: 1, nsqd: 0.5, generator: 9 }
  const result = resultOf(cellOf('plenty/nsq'), { answers: { 201: 10_000 }, cpuSeconds })
  const [hold] = costsOf(summarize([result]))
  expect(hold).toMatchObject({
    what: 'a hold',
    contender: 'nsq',
    inAll: { median: 350 },
    byProcess: { api: { median: 200 }, worker: { median: 100 }, nsqd: { median: 50 } },
  })
  expect(hold?.byProcess).not.toHaveProperty('generator')
})

test('an order of the race bears what its losers cost', () => {
  const latency = { p50: 1, p99: 1, max: 1 }
  const result = resultOf(cellOf('race/nsq'), {
    answers: { 201: 1_000, '409 sold_out': 9_000 },
    paying: { seconds: 3, paid: 1_000, latency },
    cpuSeconds: { api: 5, worker: 1 },
  })
  expect(costsOf(summarize([result]))).toMatchObject([{ inAll: { median: 6_000 } }])
})

test('rounds with different speeds give a spread', () => {
  const rounds = [1, 3, 2].map((api) =>
    resultOf(cellOf('plenty/nsq'), { answers: { 201: 1_000_000 }, cpuSeconds: { api } }),
  )
  expect(costsOf(summarize(rounds))[0]?.inAll).toEqual({ median: 2, min: 1, max: 3 })
})
