import type { Clock } from './clock.ts'

export interface SteadyClockOptions {
  /** What may step. */
  readonly clock: Clock
  /** Called when a step is seen, with its size, ms; positive when the wall clock was set forward. */
  readonly onStep: (stepMs: number) => void
  /** How long a step has to stay before it is believed, ms. */
  readonly believedAfterMs: number
}

/** Slewing and small corrections are followed at once; NTP steps from 128 ms on. */
const toleranceMs = 1_000

interface Step {
  /** As last seen: what was set may be slewed from there. */
  readonly offsetMs: number
  /** Of the monotonic clock, ms. */
  readonly since: number
}

/**
 * A wall clock that does not follow a step, forward or backward, before it has stayed for a while. A
 * clock set an hour forward by mistake would end every hold and every sale at once, and what has
 * ended does not come back when the mistake is undone.
 */
export function createSteadyClock(options: SteadyClockOptions): Clock {
  const { clock, onStep, believedAfterMs } = options
  let offsetMs = clock.now() - clock.monotonic()
  let step: Step | undefined

  const isNear = (one: number, other: number): boolean => Math.abs(one - other) <= toleranceMs

  /** True as soon as it has stayed for long enough. */
  function watchStep(seenMs: number, monotonic: number): boolean {
    if (step === undefined || !isNear(seenMs, step.offsetMs)) {
      step = { offsetMs: seenMs, since: monotonic }
      onStep(Math.round(seenMs - offsetMs))
    }
    step = { ...step, offsetMs: seenMs }
    return monotonic - step.since >= believedAfterMs
  }

  return {
    ...clock,
    now() {
      const now = clock.now()
      const monotonic = clock.monotonic()
      const seenMs = now - monotonic
      if (!isNear(seenMs, offsetMs) && !watchStep(seenMs, monotonic)) {
        return Math.round(offsetMs + monotonic)
      }
      offsetMs = seenMs
      step = undefined
      return now
    },
  }
}
