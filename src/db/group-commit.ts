import { wait, type Clock } from '../clock.ts'
import { DatabaseUnavailableError, type Script } from './database.ts'

/**
 * Runs the write transactions that are asked for in one tick of the event loop together, in one
 * transaction of the database: a sync of the disk costs as much as a hundred statements, and one is
 * enough for all. Each is a savepoint, so one that fails takes nobody with it; none resolves before
 * the common commit.
 */
export interface GroupCommit {
  transaction<T>(script: () => Script<T>): Promise<T>
  /** Resolves when nothing waits any more. */
  idle(): Promise<void>
}

/** What a group needs of the connection. Everything is synchronous. */
export interface GroupConnection {
  /** @throws when another connection writes, see `isBusy`. */
  begin(): void
  commit(): void
  rollback(): void
  /** A full disk or an I/O error may have rolled back already. */
  inTransaction(): boolean
  savepoint(): void
  release(): void
  /** Undoes what was done since the savepoint, and ends it. */
  undo(): void
  drive<T>(script: Script<T>): T
  isBusy(error: unknown): boolean
  /** As the port throws it. */
  classified(error: unknown): unknown
}

export interface GroupCommitOptions {
  readonly connection: GroupConnection
  readonly clock: Clock
  /** Spreads the retries of several processes; 0 ≤ random() < 1. */
  readonly random: () => number
  readonly defer: (task: () => void) => void
  /** How long a transaction may wait for its turn, ms. */
  readonly lockTimeoutMs: number
}

const waitingMax = 10_000
const groupSizeMax = 100
/** A group that takes longer ends there: the event loop has others to serve. */
const groupMsMax = 10
const retryDelayMsMin = 2
const retryDelayMsMax = 50

interface Waiting {
  readonly script: () => Script<unknown>
  /** Of the call: waiting for one's turn counts. */
  readonly deadline: number
  readonly resolve: (result: unknown) => void
  readonly reject: (error: unknown) => void
}

type Outcome = () => void

export function createGroupCommit(options: GroupCommitOptions): GroupCommit {
  const { connection, clock, random, defer, lockTimeoutMs } = options
  let waiting: Waiting[] = []
  let running = false
  let whenIdle: (() => void)[] = []

  function add(next: Waiting): void {
    waiting.push(next)
    if (running) return
    running = true
    defer(() => void runAll())
  }

  async function runAll(): Promise<void> {
    for (let delayMs = retryDelayMsMin; waiting.length > 0;) {
      if (tryGroup()) {
        delayMs = retryDelayMsMin
        await new Promise<void>(defer)
      } else {
        await wait(clock, delayMs * (0.5 + random() / 2))
        delayMs = Math.min(delayMs * 2, retryDelayMsMax)
      }
    }
    running = false
    for (const resolve of whenIdle.splice(0)) resolve()
  }

  /** False: another connection writes, try again in a moment. */
  function tryGroup(): boolean {
    try {
      connection.begin()
    } catch (error) {
      if (connection.isBusy(error)) return giveUpOverdue(error)
      for (const { reject } of waiting.splice(0)) reject(connection.classified(error))
      return true
    }
    for (const tell of runGroup()) tell()
    return true
  }

  function giveUpOverdue(error: unknown): false {
    const now = clock.monotonic()
    const overdue = waiting.filter(({ deadline }) => deadline <= now)
    waiting = waiting.filter(({ deadline }) => deadline > now)
    for (const { reject } of overdue) reject(connection.classified(error))
    return false
  }

  /** Takes as many as fit and commits. What they are to be told is true when this returns. */
  function runGroup(): readonly Outcome[] {
    const endsAt = clock.monotonic() + groupMsMax
    const group: Waiting[] = []
    const outcomes: Outcome[] = []
    try {
      while (group.length < groupSizeMax && (group.length === 0 || clock.monotonic() < endsAt)) {
        const next = waiting.shift()
        if (next === undefined) break
        group.push(next)
        outcomes.push(runOne(next))
      }
      connection.commit()
      return outcomes
    } catch (error) {
      if (connection.inTransaction()) connection.rollback()
      const reason = connection.classified(error)
      return group.map(({ reject }) => () => {
        reject(reason)
      })
    }
  }

  /** @throws when the whole group is lost. */
  function runOne({ script, resolve, reject }: Waiting): Outcome {
    connection.savepoint()
    try {
      const result = connection.drive(script())
      connection.release()
      return () => {
        resolve(result)
      }
    } catch (error) {
      const reason = connection.classified(error)
      if (!connection.inTransaction() || reason instanceof DatabaseUnavailableError) throw error
      connection.undo()
      return () => {
        reject(reason)
      }
    }
  }

  return {
    transaction: <T>(script: () => Script<T>) =>
      new Promise<T>((resolve, reject) => {
        if (waiting.length >= waitingMax) {
          reject(new DatabaseUnavailableError('too many transactions wait for the lock'))
          return
        }
        const deadline = clock.monotonic() + lockTimeoutMs
        add({ script, deadline, resolve: resolve as (result: unknown) => void, reject })
      }),
    idle: () =>
      new Promise((resolve) => {
        if (running) whenIdle.push(resolve)
        else resolve()
      }),
  }
}
