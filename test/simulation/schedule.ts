import { setImmediate as turn } from 'node:timers/promises'
import type { Cancel, Clock } from '../../src/clock.ts'
import { createFakeClock, type FakeClock } from '../support/fake-clock.ts'

/**
 * Decides from the seed which process runs next and when time moves. It replaces the event loop and
 * the timers: every deferred task and every timer of the program waits here.
 */
export interface Schedule {
  readonly clock: FakeClock
  lane(name: string): Lane
  /** Runs tasks until `main` has ended. Returns undefined when `hasToStop` ends the run earlier. */
  run<T>(main: () => Promise<T>, hasToStop: () => boolean): Promise<T | undefined>
}

/** The deferred tasks and the clock of one process. */
export interface Lane {
  readonly name: string
  readonly clock: Clock
  readonly defer: (task: () => void) => void
  isAlive(): boolean
  isPaused(): boolean
  /**
   * Acts as SIGSTOP: nothing of the process runs until it is resumed; its timers fall due
   * meanwhile.
   */
  pause(): void
  resume(): void
  /** Acts as SIGKILL: nothing of the process ever runs again. */
  kill(): void
}

export interface ScheduleOptions {
  readonly random: () => number
  /** The probability that time passes although tasks are waiting. */
  readonly lagRate: () => number
  readonly onThrow: (lane: string, error: unknown) => void
}

const lagMsMax = 20
/**
 * Up to this many steps may find nothing to do: the audit waits for the real event loop between two
 * queries.
 */
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
      // The caller awaits the result and gets its failure; here a failure only ends the loop.
      result.catch(() => undefined)
      for (;;) {
        // All promises settle before the next step.
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
    // The wall clock counts whole milliseconds.
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

  /** Behaves as `setInterval`: after several missed times the task runs once. */
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
