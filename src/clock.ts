/** Cancels a timer; calling it twice is harmless. */
export type Cancel = () => void

/**
 * The clock of the program. This file is the only one that reads the time; tests pass a fake clock.
 */
export interface Clock {
  /** Returns the wall clock, epoch ms. It may step. */
  now(): number
  /** Returns ms of a clock that never steps; for ages and deadlines inside one process. */
  monotonic(): number
  /** Runs `task` once after `ms`. */
  after(ms: number, task: () => void): Cancel
  /** Runs `task` every `ms`. */
  every(ms: number, task: () => void): Cancel
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(ms, task) {
    const timer = setTimeout(task, ms)
    return () => {
      clearTimeout(timer)
    }
  },
  every(ms, task) {
    const timer = setInterval(task, ms)
    return () => {
      clearInterval(timer)
    }
  },
}

/** Resolves after `ms` on the given clock. */
export function wait(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => {
    clock.after(ms, resolve)
  })
}
