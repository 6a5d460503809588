import { setImmediate as turn } from 'node:timers/promises'
import type { Cancel, Clock } from '../../src/clock.ts'
import { createFakeClock, type FakeClock } from '../support/fake-clock.ts'

/**
 * Who runs next, and when time moves: drawn from the seed. Everything that would wait for the event loop
 * or for a timer waits here instead.
 */
export interface Schedule {
  readonly clock: FakeClock
  lane(name: string): Lane
  /** Runs one thing after the other until `main` has come to its end, or it has to stop: undefined. */
  run<T>(main: () => Promise<T>, hasToStop: () => boolean): Promise<T | undefined>
}

/** One process's share of the event loop, and its clock. */
export interface Lane {
  readonly name: string
  readonly clock: Clock
  readonly defer: (task: () => void) => void
  isAlive(): boolean
  isPaused(): boolean
  /** As SIGSTOP: nothing of it runs until it is resumed, its timers fall due meanwhile. */
  pause(): void
  resume(): void
  /** As SIGKILL: nothing of it ever runs again. */
  kill(): void
}

export interface ScheduleOptions {
  readonly random: () => number
  /** How often time passes while there is work to do. */
  readonly lagRate: () => number
  readonly onThrow: (lane: string, error: unknown) => void
}

const lagMsMax = 20
/** The audit lets the real event loop turn between two of its queries. */
const idleStepsMax = 100

export function createSchedule(options: ScheduleOptions): Schedule {
  const { random, lagRate, onThrow } = options
  const clock = createFakeClock()
  const lanes = new Set<WorkingLane>()
  let idleSteps = 0

  function step(): void {
    const ready = [...lanes].filter((lane) => lane.isReady())
    if (ready.length === 0) {
      moveToNextTimer()
      return
    }
    if (random() < lagRate()) {
      clock.advance(1 + Math.floor(random() * lagMsMax))
      return
    }
    const lane = draw(random, ready)
    try {
      lane.runOne(random)
    } catch (error) {
      onThrow(lane.name, error)
    }
  }

  function moveToNextTimer(): void {
    const due = clock.nextDue()
    idleSteps = due === undefined ? idleSteps + 1 : 0
    if (idleSteps > idleStepsMax) throw new Error('nothing is left that could happen')
    if (due === undefined) return
    clock.advance(due - clock.monotonic())
  }

  return {
    clock,
    lane(name) {
      const lane = new WorkingLane(name, clock, (dead) => lanes.delete(dead))
      lanes.add(lane)
      return lane
    },
    async run(main, hasToStop) {
      const state = { isOver: false }
      const result = main().finally(() => {
        state.isOver = true
      })
      // Whoever awaits the result hears of its failure; the loop only has to end.
      result.catch(() => undefined)
      for (;;) {
        // Promises settle first, all of them.
        await turn()
        if (hasToStop()) return undefined
        if (state.isOver) return result
        step()
      }
    },
  }
}

function draw<T>(random: () => number, choices: readonly T[]): T {
  const chosen = choices[Math.floor(random() * choices.length)]
  if (chosen === undefined) throw new RangeError('nothing to choose from')
  return chosen
}

class WorkingLane implements Lane {
  readonly name: string
  readonly clock: Clock
  readonly #real: FakeClock
  readonly #gone: (lane: WorkingLane) => void
  readonly #timers = new Set<Cancel>()
  #tasks: (() => void)[] = []
  #state: 'running' | 'paused' | 'dead' = 'running'

  constructor(name: string, real: FakeClock, gone: (lane: WorkingLane) => void) {
    this.name = name
    this.#real = real
    this.#gone = gone
    this.clock = {
      now: () => real.now(),
      monotonic: () => real.monotonic(),
      after: (ms, task) => this.#after(ms, task),
      every: (ms, task) => this.#every(ms, task),
    }
  }

  readonly defer = (task: () => void): void => {
    if (this.#state !== 'dead') this.#tasks.push(task)
  }

  isAlive(): boolean {
    return this.#state !== 'dead'
  }

  isPaused(): boolean {
    return this.#state === 'paused'
  }

  isReady(): boolean {
    return this.#state === 'running' && this.#tasks.length > 0
  }

  runOne(random: () => number): void {
    const index = Math.floor(random() * this.#tasks.length)
    const [task] = this.#tasks.splice(index, 1)
    task?.()
  }

  pause(): void {
    if (this.#state === 'running') this.#state = 'paused'
  }

  resume(): void {
    if (this.#state === 'paused') this.#state = 'running'
  }

  kill(): void {
    this.#state = 'dead'
    this.#tasks = []
    for (const cancel of this.#timers) cancel()
    this.#timers.clear()
    this.#gone(this)
  }

  #after(ms: number, task: () => void): Cancel {
    if (this.#state === 'dead') return () => undefined
    let isCancelled = false
    // A wall clock counts whole milliseconds.
    const cancel = this.#real.after(Math.ceil(ms), () => {
      this.#timers.delete(cancel)
      this.defer(() => {
        if (!isCancelled) task()
      })
    })
    this.#timers.add(cancel)
    return () => {
      isCancelled = true
      cancel()
      this.#timers.delete(cancel)
    }
  }

  /** As of `setInterval`: however many were missed, it is run once. */
  #every(ms: number, task: () => void): Cancel {
    if (this.#state === 'dead') return () => undefined
    let isCancelled = false
    let isQueued = false
    const cancel = this.#real.every(ms, () => {
      if (isQueued) return
      isQueued = true
      this.defer(() => {
        isQueued = false
        if (!isCancelled) task()
      })
    })
    this.#timers.add(cancel)
    return () => {
      isCancelled = true
      cancel()
      this.#timers.delete(cancel)
    }
  }
}
