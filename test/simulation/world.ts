import type { FakeClock } from '../support/fake-clock.ts'
import type { Faults, Plan } from './plan.ts'
import type { Lane, Schedule } from './schedule.ts'
import type { Trace } from './trace.ts'
import type { Violation } from './violation.ts'
import type { Observer } from './observer.ts'

/** The shared state of a run: random numbers of the seed, time, the trace and the violations. */
export interface World {
  readonly plan: Plan
  readonly random: () => number
  readonly schedule: Schedule
  readonly clock: FakeClock
  readonly trace: Trace
  readonly observer: Observer
  readonly newId: () => string
  /** The kinds of events that happened; a test checks that storms meet all of them. */
  readonly happened: Set<string>
  /** The lane of everything outside our processes: shoppers, the operator, the provider. */
  readonly outside: Lane
  /** Returns the probabilities of faults that apply now. */
  faults(): Faults
  crashes(): Plan['crashes']
  /** Switches the faults and crashes of the plan on or off. */
  setStorm(storm: 'on' | 'off'): void
  /** Draws whether this fault happens now. */
  hits(fault: keyof Faults): boolean
  violate(violation: Violation): void
}

/** Returns a promise that never resolves, as the answer of a dead process. */
export function never<T>(): Promise<T> {
  return new Promise<T>(() => undefined)
}
