import cron from 'node-cron'
import type { Cancel, Clock } from '../clock.ts'
import type { Service } from '../lifecycle.ts'
import type { Logger } from '../logger.ts'

export interface Job {
  readonly name: string
  /** A cron expression of six fields; the first is seconds. */
  readonly schedule: string
  /** The watchdog runs the job when it has not run for this long, ms of the monotonic clock. */
  readonly overdueMs: number
  /**
   * The job itself. A long one calls `mayContinue` between steps and ends early when the process
   * stops.
   */
  readonly run: (mayContinue: () => boolean) => Promise<void>
}

export interface Scheduler extends Service {
  /**
   * Returns the ms since the last finished run, or since the start; undefined for an unknown job.
   */
  age(jobName: string): number | undefined
}

/** Runs the task at every time of the cron expression until it is cancelled. */
export type Timetable = (schedule: string, task: () => void) => Cancel

export interface SchedulerOptions {
  readonly jobs: readonly Job[]
  readonly clock: Clock
  readonly logger: Logger
  /** When jobs run; node-cron on the real clock unless given. */
  readonly timetable?: Timetable
}

const cronTimetable: Timetable = (schedule, task) => {
  const scheduled = cron.schedule(schedule, task)
  return () => void scheduled.destroy()
}

const watchdogEveryMs = 1_000

/**
 * Runs jobs by the wall clock; a job never runs twice at the same time. After the clock was set
 * back by an hour a cron library starts nothing for an hour, so a watchdog on the monotonic clock
 * runs overdue jobs.
 */
export function createScheduler(options: SchedulerOptions): Scheduler {
  const { jobs, clock, logger, timetable = cronTimetable } = options
  let isStopping = false
  const mayContinue = (): boolean => !isStopping
  const context = { clock, logger, mayContinue }
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
  readonly mayContinue: () => boolean
}

function createJobState(job: Job, { clock, logger, mayContinue }: JobContext) {
  let running: Promise<void> | undefined
  let lastStart = clock.monotonic()
  let lastEnd = clock.monotonic()

  async function runOnce(): Promise<void> {
    lastStart = clock.monotonic()
    try {
      await job.run(mayContinue)
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
