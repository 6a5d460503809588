import type { FakeClock } from '../support/fake-clock.ts'
import type { Faults, Plan } from './plan.ts'
import type { Lane, Schedule } from './schedule.ts'
import type { Trace } from './trace.ts'
import type { Violation } from './violation.ts'
import type { Observer } from './observer.ts'

/** What everybody in a run shares: the seed's numbers, time, the trace, and what must not happen. */
export interface World {
  readonly plan: Plan
  readonly random: () => number
  readonly schedule: Schedule
  readonly clock: FakeClock
  readonly trace: Trace
  readonly observer: Observer
  readonly newId: () => string
  /** Kinds of things that happened, for whoever wonders whether the storm was one. */
  readonly happened: Set<string>
  /** Of those who are no process of ours: shoppers, the operator, the provider. */
  readonly outside: Lane
  /** What goes wrong now. */
  faults(): Faults
  crashes(): Plan['crashes']
  /** As the plan says from now on, or nothing. */
  setStorm(storm: 'on' | 'off'): void
  /** True as often as this fault happens now. */
  hits(fault: keyof Faults): boolean
  violate(violation: Violation): void
}

/** An answer that never comes: of a process that is dead. */
export function never<T>(): Promise<T> {
  return new Promise<T>(() => undefined)
}
