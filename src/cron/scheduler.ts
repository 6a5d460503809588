import cron from 'node-cron'
import type { Cancel, Clock } from '../clock.ts'
import type { Service } from '../lifecycle.ts'
import type { Logger } from '../logger.ts'

export interface Job {
  readonly name: string
  /** Six fields, the first one seconds. */
  readonly schedule: string
  /** The watchdog runs the job when it has not run for this long, ms of the monotonic clock. */
  readonly overdueMs: number
  /** What takes long asks now and then whether it may go on: the process may be about to stop. */
  readonly run: (goesOn: () => boolean) => Promise<void>
}

export interface Scheduler extends Service {
  /** Since the last finished run, or the start, ms; undefined when there is no such job. */
  age(jobName: string): number | undefined
}

/** Runs the task whenever the schedule says so. */
export type Timetable = (schedule: string, task: () => void) => Cancel

export interface SchedulerOptions {
  readonly jobs: readonly Job[]
  readonly clock: Clock
  readonly logger: Logger
  /** By the real clock unless given. */
  readonly timetable?: Timetable
}

const cronTimetable: Timetable = (schedule, task) => {
  const scheduled = cron.schedule(schedule, task)
  return () => void scheduled.destroy()
}

const watchdogEveryMs = 1_000

/**
 * Runs jobs by the wall clock, each at most once at a time. Cron libraries stop for the span of a
 * backward clock step, so a watchdog on the monotonic clock runs what is overdue.
 */
export function createScheduler(options: SchedulerOptions): Scheduler {
  const { jobs, clock, logger, timetable = cronTimetable } = options
  let isStopping = false
  const goesOn = (): boolean => !isStopping
  const context = { clock, logger, goesOn }
  const states = new Map(jobs.map((job) => [job.name, createJobState(job, context)]))
  const cancels: Cancel[] = []

  return {
    name: 'cron',
    age: (jobName) => states.get(jobName)?.age(),
    start() {
      for (const state of states.values()) {
        cancels.push(timetable(state.job.schedule, state.runUnlessRunning))
      }
      const watch = (): void => {
        for (const state of states.values()) state.runIfOverdue()
      }
      cancels.push(clock.every(watchdogEveryMs, watch))
      return Promise.resolve()
    },
    async stop() {
      isStopping = true
      for (const cancel of cancels.splice(0)) cancel()
      await Promise.all([...states.values()].map((state) => state.finished()))
    },
  }
}

interface JobContext {
  readonly clock: Clock
  readonly logger: Logger
  readonly goesOn: () => boolean
}

function createJobState(job: Job, { clock, logger, goesOn }: JobContext) {
  let running: Promise<void> | undefined
  let lastStart = clock.monotonic()
  let lastEnd = clock.monotonic()

  async function runOnce(): Promise<void> {
    lastStart = clock.monotonic()
    try {
      await job.run(goesOn)
      lastEnd = clock.monotonic()
    } catch (error) {
      logger.warn({ err: error, job: job.name }, 'job failed, will run again')
    }
  }

  function runUnlessRunning(): void {
    running ??= runOnce().finally(() => {
      running = undefined
    })
  }

  return {
    job,
    runUnlessRunning,
    runIfOverdue() {
      if (clock.monotonic() - lastStart >= job.overdueMs) runUnlessRunning()
    },
    age: () => clock.monotonic() - lastEnd,
    finished: () => running ?? Promise.resolve(),
  }
}
