import type { Clock } from '../../src/clock.ts'

export interface FakeClock extends Clock {
  /** Moves both clocks, running what falls due in its order. */
  advance(ms: number): void
  /** Steps the wall clock alone, as an operator or NTP would. */
  step(ms: number): void
  /** Returns when the next timer is due, monotonic ms; undefined when there is none. */
  nextDue(): number | undefined
  /** Counts the timers that are neither fired nor cancelled; a leak shows here. */
  pending(): number
}

interface Timer {
  due: number
  readonly everyMs: number | undefined
  readonly task: () => void
}

/** A clock that moves only when told to. `startMs` is epoch ms. */
export function createFakeClock(startMs = Date.UTC(2026, 11, 12, 12, 12)): FakeClock {
  const timers = new Set<Timer>()
  let monotonicMs = 0
  let wallOffsetMs = startMs

  function add(ms: number, everyMs: number | undefined, task: () => void) {
    const timer: Timer = { due: monotonicMs + Math.max(ms, 1), everyMs, task }
    timers.add(timer)
    return () => {
      timers.delete(timer)
    }
  }

  function dueUntil(until: number): Timer | undefined {
    let next: Timer | undefined
    for (const timer of timers) {
      if (timer.due <= until && (next === undefined || timer.due < next.due)) next = timer
    }
    return next
  }

  return {
    now: () => wallOffsetMs + monotonicMs,
    monotonic: () => monotonicMs,
    after: (ms, task) => add(ms, undefined, task),
    every: (ms, task) => add(ms, Math.max(ms, 1), task),
    advance(ms) {
      const until = monotonicMs + ms
      for (let timer = dueUntil(until); timer !== undefined; timer = dueUntil(until)) {
        monotonicMs = timer.due
        if (timer.everyMs === undefined) timers.delete(timer)
        else timer.due += timer.everyMs
        timer.task()
      }
      monotonicMs = until
    },
    step(ms) {
      wallOffsetMs += ms
    },
    nextDue: () => dueUntil(Infinity)?.due,
    pending: () => timers.size,
  }
}
