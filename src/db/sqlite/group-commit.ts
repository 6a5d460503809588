import { wait, type Clock } from '../../clock.ts'

/**
 * Runs all write transactions of one tick of the event loop in one transaction of the file, because
 * a sync of the disk costs as much as a hundred statements. Each is a savepoint, so one that fails
 * does not affect the others; none resolves before the common commit.
 */
export interface GroupCommit {
  /** Runs the task, which is over when it returns: nothing is awaited inside a transaction. */
  transaction<T>(task: () => T): Promise<T>
  /** Resolves when nothing waits any more. */
  idle(): Promise<void>
}

/** The operations of the connection that a group needs. All are synchronous. */
export interface GroupConnection {
  /**
   * Begins the transaction of the file.
   * @throws when another connection writes, see `isBusy`.
   */
  begin(): void
  commit(): void
  rollback(): void
  /** Tells whether a transaction is open: a full disk or an I/O error may have rolled it back. */
  inTransaction(): boolean
  savepoint(): void
  release(): void
  /** Rolls back to the savepoint and ends it. */
  undo(): void
  /**
   * Tells whether the error means that another connection writes, which may be over in a moment.
   */
  isBusy(error: unknown): boolean
  /**
   * Tells whether the error means that writing is impossible now, so that the whole group fails.
   */
  isUnavailable(error: unknown): boolean
  /** Makes the error that the port throws then. */
  unavailable(cause: unknown): Error
}

/** Returns the error that the port throws. */
export function classified(
  { isUnavailable, unavailable }: Pick<GroupConnection, 'isUnavailable' | 'unavailable'>,
  error: unknown,
): unknown {
  return isUnavailable(error) ? unavailable(error) : error
}

export interface GroupCommitOptions {
  readonly connection: GroupConnection
  readonly clock: Clock
  /** Spreads the retries of several processes; 0 ≤ random() < 1. */
  readonly random: () => number
  readonly defer: (task: () => void) => void
  /** A transaction may wait this long for its turn, ms. */
  readonly lockTimeoutMs: number
}

const waitingMax = 10_000
const groupSizeMax = 100
/** A group ends after this time, so that the event loop can serve others. */
const groupMsMax = 10
const retryDelayMsMin = 2
const retryDelayMsMax = 50

interface Waiting {
  readonly task: () => unknown
  /**
   * It waits for other processes until then. The wait behind its own process is bounded by
   * `waitingMax`.
   */
  readonly deadline: number
  readonly resolve: (result: unknown) => void
  readonly reject: (error: unknown) => void
}

/**
 * Resolves or rejects the caller's promise; it is called when the group has committed or failed.
 */
type Telling = () => void

export function createGroupCommit(options: GroupCommitOptions): GroupCommit {
  return new Groups(options)
}

class Groups implements GroupCommit {
  readonly #options: GroupCommitOptions
  #waiting: Waiting[] = []
  #isRunning = false
  #whenIdle: (() => void)[] = []

  constructor(options: GroupCommitOptions) {
    this.#options = options
  }

  transaction<T>(task: () => T): Promise<T> {
    const { clock, connection, defer, lockTimeoutMs } = this.#options
    return new Promise((resolve, reject) => {
      if (this.#waiting.length >= waitingMax) {
        reject(connection.unavailable(new Error('too many transactions wait for the lock')))
        return
      }
      const deadline = clock.monotonic() + lockTimeoutMs
      this.#waiting.push({ task, deadline, resolve: resolve as Waiting['resolve'], reject })
      if (this.#isRunning) return
      this.#isRunning = true
      defer(() => void this.#runAll())
    })
  }

  idle(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#isRunning) this.#whenIdle.push(resolve)
      else resolve()
    })
  }

  async #runAll(): Promise<void> {
    const { clock, random, defer } = this.#options
    let delayMs = retryDelayMsMin
    while (this.#waiting.length > 0) {
      if (this.#tryGroup() === 'done') {
        delayMs = retryDelayMsMin
        await new Promise<void>(defer)
      } else {
        await wait(clock, delayMs * (0.5 + random() / 2))
        delayMs = Math.min(delayMs * 2, retryDelayMsMax)
      }
    }
    this.#isRunning = false
    for (const resolve of this.#whenIdle.splice(0)) resolve()
  }

  /** Tries to run a group. Returns `locked` when another connection writes. */
  #tryGroup(): 'done' | 'locked' {
    const { connection } = this.#options
    try {
      connection.begin()
    } catch (error) {
      return this.#giveUp(error)
    }
    for (const tell of this.#runGroup()) tell()
    return 'done'
  }

  /**
   * Rejects overdue transactions, some at a time. A crowd becomes overdue together, and each answer
   * takes a part of a millisecond, so the event loop turns in between.
   */
  #giveUp(error: unknown): 'done' | 'locked' {
    const { connection, clock } = this.#options
    const latest = connection.isBusy(error) ? clock.monotonic() : Infinity
    const isOver = (waiting: Waiting | undefined): boolean =>
      waiting !== undefined && waiting.deadline <= latest
    // All wait equally long, so the order of arrival is the order of the deadlines.
    const some = this.#waiting.slice(0, groupSizeMax).filter(isOver)
    this.#waiting.splice(0, some.length)
    for (const { reject } of some) reject(classified(connection, error))
    return this.#waiting.length === 0 || isOver(this.#waiting[0]) ? 'done' : 'locked'
  }

  #runGroup(): readonly Telling[] {
    const { connection } = this.#options
    const members: Waiting[] = []
    try {
      const tellings: Telling[] = []
      for (const member of this.#members()) {
        members.push(member)
        tellings.push(this.#run(member))
      }
      connection.commit()
      return tellings
    } catch (error) {
      if (connection.inTransaction()) connection.rollback()
      const reason = classified(connection, error)
      return members.map(({ reject }) => {
        return () => {
          reject(reason)
        }
      })
    }
  }

  /** Yields waiting transactions in their order until the group is large or has taken long. */
  *#members(): Generator<Waiting, void> {
    const { clock } = this.#options
    const endsAt = clock.monotonic() + groupMsMax
    for (let size = 0; size < groupSizeMax; size += 1) {
      const next = size > 0 && clock.monotonic() >= endsAt ? undefined : this.#waiting.shift()
      if (next === undefined) return
      yield next
    }
  }

  /**
   * Runs one transaction in its savepoint.
   * @throws when the whole group fails.
   */
  #run({ task, resolve, reject }: Waiting): Telling {
    const { connection } = this.#options
    connection.savepoint()
    try {
      const result = task()
      connection.release()
      return () => {
        resolve(result)
      }
    } catch (error) {
      if (!connection.inTransaction() || connection.isUnavailable(error)) throw error
      connection.undo()
      return () => {
        reject(error)
      }
    }
  }
}
