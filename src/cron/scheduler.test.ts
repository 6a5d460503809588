import { setImmediate as turn } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createFakeClock, type FakeClock } from '../../test/support/fake-clock.ts'
import { silentLogger } from '../../test/support/payment-fixture.ts'
import { createScheduler, type Job, type Scheduler } from './scheduler.ts'

/**
 * The cron library follows the real clock. With this schedule it never fires, so the watchdog runs
 * the jobs.
 */
const never = '0 0 0 1 1 *'
const overdueMs = 2_000

let clock: FakeClock
let scheduler: Scheduler | undefined
/** Lists the names of the jobs in the order in which they ran. */
let runs: string[]

beforeEach(() => {
  clock = createFakeClock()
  runs = []
})

afterEach(async () => {
  await scheduler?.stop()
  expect(clock.pending()).toBe(0)
})

async function start(...jobs: readonly Job[]): Promise<Scheduler> {
  scheduler = createScheduler({ jobs, clock, logger: silentLogger })
  await scheduler.start()
  return scheduler
}

function job(run: () => Promise<void> = () => Promise.resolve(), name = 'job'): Job {
  const counted = (): Promise<void> => {
    runs.push(name)
    return run()
  }
  return { name, schedule: never, overdueMs, run: counted }
}

/** Moves the clock, then waits until the jobs that were started have ended. */
async function advance(ms: number): Promise<void> {
  clock.advance(ms)
  await turn()
}

/** Makes a job that runs until the test ends it. */
function held() {
  let end = (): void => undefined
  const ended = new Promise<void>((resolve) => {
    end = resolve
  })
  return { run: () => ended, end }
}

describe('the watchdog', () => {
  it('runs a job that cron has not run, once it is overdue and not before', async () => {
    await start(job())
    await advance(overdueMs - 1)
    expect(runs).toEqual([])
    await advance(1)
    expect(runs).toEqual(['job'])
    await advance(overdueMs - 1)
    expect(runs).toEqual(['job'])
    await advance(1)
    expect(runs).toEqual(['job', 'job'])
  })

  it('goes on while the wall clock is an hour behind, where cron would wait an hour', async () => {
    await start(job())
    await advance(overdueMs)
    clock.step(-3_600_000)
    await advance(overdueMs)
    await advance(overdueMs)
    expect(runs).toHaveLength(3)
  })

  it('is not fooled into a run by a step forward', async () => {
    await start(job())
    clock.step(3_600_000)
    await advance(overdueMs - 1)
    expect(runs).toEqual([])
  })
})

describe('a job', () => {
  it('is not started again while it runs, however overdue, and is afterwards', async () => {
    const first = held()
    await start(job(first.run))
    await advance(60_000)
    expect(runs).toHaveLength(1)
    first.end()
    await turn()
    await advance(1_000)
    expect(runs).toHaveLength(2)
  })

  it('that hangs does not keep the others from running', async () => {
    const hanging = held()
    await start(job(hanging.run, 'hangs'), job(undefined, 'works'))
    await advance(overdueMs)
    await advance(overdueMs)
    expect(runs).toEqual(['hangs', 'works', 'works'])
    hanging.end()
  })

  it.each([
    ['rejects', () => Promise.reject(new Error('refused'))],
    [
      'throws',
      () => {
        throw new Error('thrown')
      },
    ],
  ])('that %s runs again', async (_, fail) => {
    await start(job(fail))
    await advance(overdueMs)
    await advance(overdueMs)
    expect(runs).toHaveLength(2)
  })
})

describe('the age of a job', () => {
  it('counts from the start, then from its last end', async () => {
    const first = held()
    const { age } = await start(job(first.run))
    expect(age('job')).toBe(0)
    await advance(overdueMs)
    await advance(500)
    expect(age('job')).toBe(overdueMs + 500)
    first.end()
    await turn()
    expect(age('job')).toBe(0)
    clock.step(-3_600_000)
    await advance(400)
    expect(age('job')).toBe(400)
    expect(age('unknown')).toBeUndefined()
  })

  it('goes on growing while the job fails', async () => {
    let broken = false
    const { age } = await start(
      job(() => (broken ? Promise.reject(new Error('broken')) : Promise.resolve())),
    )
    await advance(overdueMs)
    broken = true
    await advance(overdueMs)
    await advance(overdueMs)
    expect(runs).toHaveLength(3)
    expect(age('job')).toBe(2 * overdueMs)
  })
})

describe('stopping', () => {
  it('waits for what runs, and runs nothing more', async () => {
    const running = held()
    const { stop } = await start(job(running.run))
    await advance(overdueMs)
    let stopped = false
    const stopping = stop().then(() => {
      stopped = true
    })
    await advance(60_000)
    expect(stopped).toBe(false)
    running.end()
    await stopping
    await advance(60_000)
    expect(runs).toHaveLength(1)
  })

  it('does not fail because a job did, and may be asked for twice', async () => {
    const running = held()
    const { stop } = await start(
      job(() => running.run().then(() => Promise.reject(new Error('broken')))),
    )
    await advance(overdueMs)
    const both = Promise.all([stop(), stop()])
    running.end()
    await both
    expect(clock.pending()).toBe(0)
  })
})
