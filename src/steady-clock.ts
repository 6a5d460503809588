import type { Clock } from './clock.ts'

export interface SteadyClockOptions {
  /** The system clock, whose `now` may step. */
  readonly clock: Clock
  /**
   * The clock calls it when it sees a step; `stepMs` is positive when the wall clock was set
   * forward.
   */
  readonly onStep: (stepMs: number) => void
  /** The clock follows a step only after it has stayed for this long, ms. */
  readonly believedAfterMs: number
}

/**
 * A difference up to this is followed at once: NTP slews small corrections and steps from 128 ms
 * on.
 */
const toleranceMs = 1_000

interface Step {
  /** The offset as last seen: a clock that was set may be slewed afterwards. */
  readonly offsetMs: number
  /** The monotonic time when the step was first seen, ms. */
  readonly since: number
}

/**
 * Makes a wall clock that follows a step, forward or backward, only after it has stayed for a
 * while. A clock set an hour forward by mistake would end every hold and every sale at once, and
 * they do not come back when the mistake is undone.
 */
export function createSteadyClock(options: SteadyClockOptions): Clock {
  const { clock, onStep, believedAfterMs } = options
  let offsetMs = clock.now() - clock.monotonic()
  let step: Step | undefined

  const isNear = (one: number, other: number): boolean => Math.abs(one - other) <= toleranceMs

  /** Notes the step. Returns true as soon as it has stayed for long enough. */
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
