import type { Cancel, Clock } from '../clock.ts'
import type { Database } from '../db/database.ts'
import { readHeartbeats } from '../db/worker-heartbeats.ts'
import type { Service } from '../lifecycle.ts'
import type { Logger } from '../logger.ts'
import type { Metrics } from '../metrics.ts'

/**
 * Tells whether any worker runs. Without one an API node is ready, takes requests and answers every
 * add-to-cart with 202: that needs a warning, but not a 503, which would take the node's reads away too.
 */
export interface WorkerWatch extends Service {
  /** `ok`, or a sentence that says what is missing. */
  warning(): string
}

export interface WorkerWatchOptions {
  readonly database: Database
  readonly clock: Clock
  readonly logger: Logger
  readonly metrics: Metrics
}

const readEveryMs = 5_000
/** A worker beats every 5 s; a missed beat or two are no reason to warn. */
const aliveForMs = 15_000
const noWorker = 'no worker has been seen for 15 s: add-to-cart requests wait for one'

interface Seen {
  readonly beats: number
  /** When `beats` was first read, monotonic ms. */
  readonly since: number
}

export function createWorkerWatch(options: WorkerWatchOptions): WorkerWatch {
  const { database, clock, logger, metrics } = options
  let seen = new Map<string, Seen>()
  let lastAliveAt = clock.monotonic()
  let isMissing = false
  let cancel: Cancel = () => undefined
  let reading: Promise<void> | undefined

  async function read(): Promise<void> {
    const now = clock.monotonic()
    const isFirst = seen.size === 0
    const heartbeats = await database.read(readHeartbeats)
    let alive = 0
    const next = new Map<string, Seen>()
    for (const { nodeId, beats } of heartbeats) {
      const before = seen.get(nodeId)
      const isNew = before?.beats !== beats
      next.set(nodeId, isNew ? { beats, since: now } : before)
      // A row read for the first time may be of yesterday: only a second beat proves a worker.
      if (isNew && !isFirst) lastAliveAt = now
      if (isNew || now - before.since < aliveForMs) alive += 1
    }
    seen = next
    metrics.workers.set(alive)
    judge(now)
  }

  function judge(now: number): void {
    const wasMissing = isMissing
    isMissing = now - lastAliveAt >= aliveForMs
    if (isMissing && !wasMissing) logger.warn(noWorker)
    if (!isMissing && wasMissing) logger.info('a worker is back')
  }

  return {
    name: 'worker watch',
    warning: () => (isMissing ? noWorker : 'ok'),
    start() {
      cancel = clock.every(readEveryMs, () => {
        reading ??= read()
          .catch((error: unknown) => {
            logger.debug({ err: error }, 'heartbeats of workers not read')
          })
          .finally(() => {
            reading = undefined
          })
      })
      return Promise.resolve()
    },
    async stop() {
      cancel()
      await reading
    },
  }
}
