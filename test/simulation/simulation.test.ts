import { describe, expect, it } from 'vitest'
import { crashPoints, noFaults } from './plan.ts'
import { describeFailure } from './report.ts'
import { simulate } from './run.ts'
import { testSeed } from '../support/seed.ts'

/** Each has the next seed; `npm run simulate -- --runs 10000` does more. */
const runs = Number(process.env['HOLDFAST_SIMULATIONS'] ?? 200)

describe(`the whole system in a storm (${runs} seeds from ${testSeed})`, () => {
  const happened = new Set<string>()
  let played = 0

  it('keeps every promise, and everything is settled when the storm is over', async () => {
    for (let count = 0; count < runs; count += 1) {
      const result = await simulate(testSeed + count)
      if (result.violations.length > 0) throw new Error(describeFailure(result))
      for (const kind of result.happened) happened.add(kind)
      played += 1
    }
  }, 900_000)

  // The rarest of these happens in every thirteenth run, so that 200 runs miss it once in ten
  // million.
  it('has met every fault, every crash, and every kind of answer that matters', ({ skip }) => {
    if (played < 200) skip(`${played} runs are too few`)
    const faults = Object.keys(noFaults).filter((fault) => fault !== 'lag' && fault !== 'reorder')
    // A death around a void is too rare to be met each time: every 25th run has one.
    const deaths = crashPoints
      .filter((point) => !point.includes('void'))
      .map((point) => `killed ${point}`)
    const answers = [
      'add 201',
      'add 202',
      'add 409 sold_out',
      'add 409 purchase_limit_reached',
      'add 0',
      'add 503 broker_unavailable',
      'add 409 sale_not_open',
      'add 422 idempotency_key_reused',
      'checkout 201',
      'pay 200',
      'pay 202',
      'pay 402 payment_declined',
      'cancel 200',
      'pay 409 payment_in_progress',
      'pay 409 invoice_expired',
      'invoice 404 not_found',
    ]
    const wanted = [...faults, ...deaths, ...answers]
    expect(wanted.filter((kind) => !happened.has(kind))).toEqual([])
  })
})

describe('a seed', () => {
  it.each([1, 2, 3, 5, 8])('gives the same run again, step by step: %i', async (given) => {
    const [once, again] = [await simulate(given), await simulate(given)]
    expect(once.steps).toBeGreaterThan(100)
    expect({ ...again, happened: [...again.happened] }).toEqual({
      ...once,
      happened: [...once.happened],
    })
  })

  it('is told of a run that breaks down itself, as of any other that fails', async () => {
    let isBroken = false
    const breakOnce = (): void => {
      if (isBroken) return
      isBroken = true
      throw new Error('the trace is full')
    }
    const result = await simulate(13, breakOnce)
    expect(result.violations).toEqual([
      { invariant: 'run', what: expect.stringContaining('Error: the trace is full') as string },
    ])
    expect(describeFailure(result)).toContain('--seed 13')
  })

  it('gives another run than the next one', async () => {
    expect((await simulate(1)).hash).not.toBe((await simulate(2)).hash)
  })
})
