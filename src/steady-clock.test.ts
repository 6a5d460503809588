import { beforeEach, describe, expect, it } from 'vitest'
import type { Clock } from './clock.ts'
import { createSteadyClock } from './steady-clock.ts'
import { createFakeClock, type FakeClock } from '../test/support/fake-clock.ts'

const hourMs = 3_600_000
const believedAfterMs = 60_000
const startMs = 1_000_000_000_000

let fake: FakeClock
let steady: Clock
let told: number[]

beforeEach(() => {
  fake = createFakeClock(startMs)
  told = []
  const onStep = (stepMs: number): void => void told.push(stepMs)
  steady = createSteadyClock({ clock: fake, onStep, believedAfterMs })
})

/** Lets time pass and reads the clock every second, as the running program does. */
function pass(ms: number): void {
  for (let passed = 0; passed < ms; passed += 1_000) {
    fake.advance(1_000)
    steady.now()
  }
}

describe('a wall clock that is not touched', () => {
  it('is told as it is, to the millisecond', () => {
    fake.advance(1.5)
    expect(steady.now()).toBe(fake.now())
  })

  it('is followed when it is slewed, however far in the end', () => {
    for (let second = 0; second < 100; second += 1) {
      fake.step(500)
      pass(1_000)
    }
    expect(steady.now()).toBe(startMs + 150_000)
    expect(told).toEqual([])
  })
})

describe.each([
  ['forward', hourMs],
  ['back', -hourMs],
])('a step of an hour %s', (_direction, stepMs) => {
  it('that is undone was never seen', () => {
    fake.step(stepMs)
    pass(believedAfterMs - 1_000)
    expect(steady.now()).toBe(startMs + believedAfterMs - 1_000)
    fake.step(-stepMs)
    pass(1_000)
    expect(steady.now()).toBe(startMs + believedAfterMs)
    expect(told).toEqual([stepMs])
  })

  it('that stays is believed after a minute, and told once', () => {
    fake.step(stepMs)
    pass(believedAfterMs + 1_000)
    expect(steady.now()).toBe(fake.now())
    fake.advance(1)
    expect(steady.now()).toBe(fake.now())
    expect(told).toEqual([stepMs])
  })

  it('that is slewed after it is believed after a minute, and told once', () => {
    fake.step(stepMs)
    for (let second = 0; second <= believedAfterMs / 1_000; second += 1) {
      fake.step(20)
      pass(1_000)
    }
    expect(steady.now()).toBe(fake.now())
    expect(told).toEqual([stepMs + 20])
  })

  it('has to stay for a minute anew when it comes again', () => {
    fake.step(stepMs)
    pass(40_000)
    fake.step(-stepMs)
    pass(1_000)
    fake.step(stepMs)
    pass(40_000)
    expect(steady.now()).toBe(startMs + 81_000)
  })
})

it('time goes on while a step is not believed', () => {
  steady.now()
  fake.step(hourMs)
  const before = steady.now()
  fake.advance(250)
  expect(steady.now() - before).toBe(250)
})

it('a step on top of a step counts from the last one', () => {
  fake.step(hourMs)
  pass(50_000)
  fake.step(hourMs)
  pass(50_000)
  expect(steady.now()).toBe(startMs + 100_000)
  expect(told).toEqual([hourMs, 2 * hourMs])
})

it('timers are those of the clock itself', () => {
  let fired = 0
  steady.after(10, () => (fired += 1))
  fake.advance(10)
  expect([fired, steady.monotonic()]).toEqual([1, 10])
})
