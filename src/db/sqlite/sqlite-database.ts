import { statSync } from 'node:fs'
import { dirname } from 'node:path'
import { wait, type Clock } from '../../clock.ts'
import { makeFolder } from '../../make-folder.ts'
import { Sqlite, type SqliteDatabase, type SqliteStatement } from './driver.ts'
import { classified, createGroupCommit } from './group-commit.ts'
import { explain, openTransactions } from './transactions.ts'
import {
  DatabaseUnavailableError,
  type Database,
  type Row,
  type Script,
  type Statement,
} from '../database.ts'

export interface SqliteOptions {
  readonly path: string
  readonly clock: Clock
  /** Spreads the retries of several processes; 0 ≤ random() < 1. */
  readonly random: () => number
  /**
   * Runs a task after the arrivals of the current tick; setImmediate unless a simulation decides.
   */
  readonly defer?: (task: () => void) => void
  /** A transaction may wait this long for its turn, ms. */
  readonly lockTimeoutMs?: number
  /** Called with the number of statements run, transaction control aside. */
  readonly onStatements?: (count: number) => void
  /**
   * `now` unless given: the whole file is checked before this returns. With `later` the caller does it
   * (`database-file.ts`), since the event loop stands still meanwhile: 2.6 s for 233 MB.
   */
  readonly check?: 'now' | 'later'
}

const defaults = {
  defer: (task: () => void): void => {
    setImmediate(task)
  },
  lockTimeoutMs: 5_000,
  onStatements: (): void => undefined,
  check: 'now',
} as const

/**
 * SQLite's own wait blocks the event loop, so it is short; the rest of the wait is asynchronous.
 */
const busyTimeoutMs = 5
const readRetryMs = 10

/**
 * Opens a SQLite file as the database, with one connection per process; several processes may share the
 * file. `synchronous=FULL` is set and read back, because better-sqlite3 defaults to NORMAL in WAL
 * mode and a power cut would lose acknowledged commits.
 * @throws DatabaseUnavailableError when the file cannot be opened or fails its quick check.
 */
export function openSqlite(given: SqliteOptions): Database {
  const options = { ...defaults, ...given }
  const { clock, lockTimeoutMs } = options
  const connection = createConnection(connect(options), options.onStatements)
  const { transactions } = connection
  const writes = createGroupCommit({ ...options, connection: transactions })
  let closed: Promise<void> | undefined

  function assertOpen(): void {
    if (closed !== undefined) throw new DatabaseUnavailableError('the database is closed')
  }

  /** Reads. In WAL mode only the recovery after a crash keeps readers out, for a moment. */
  async function read<T>(script: () => Script<T>): Promise<T> {
    const deadline = clock.monotonic() + lockTimeoutMs
    for (;;) {
      assertOpen()
      try {
        return connection.read(script)
      } catch (error) {
        if (!transactions.isBusy(error) || clock.monotonic() >= deadline) {
          throw classified(transactions, error)
        }
      }
      await wait(clock, readRetryMs)
    }
  }

  return {
    async transaction(script) {
      assertOpen()
      return writes.transaction(() => connection.drive(script()))
    },
    read,
    close() {
      closed ??= writes.idle().then(() => {
        connection.close()
      })
      return closed
    },
  }
}

/** Runs scripts over one connection. Statements are prepared once and cached by text. */
function createConnection(connection: SqliteDatabase, onStatements: (count: number) => void) {
  const statements = new Map<string, SqliteStatement>()

  function prepare(text: string): SqliteStatement {
    const known = statements.get(text)
    if (known !== undefined) return known
    const statement = connection.prepare(text)
    statements.set(text, statement)
    return statement
  }

  function execute({ text, values }: Statement): readonly Row[] {
    const statement = prepare(text)
    if (statement.reader) return statement.all(...values) as Row[]
    statement.run(...values)
    return []
  }

  function drive<T>(script: Script<T>): T {
    let count = 0
    try {
      let step = script.next()
      for (; step.done !== true; count += 1) step = script.next(execute(step.value))
      return step.value
    } finally {
      onStatements(count)
    }
  }

  const transactions = openTransactions(connection, (cause) => {
    return new DatabaseUnavailableError(explain(cause), { cause })
  })

  return {
    drive,
    transactions,
    read<T>(script: () => Script<T>): T {
      prepare('begin').run()
      try {
        return drive(script())
      } finally {
        if (connection.inTransaction) transactions.commit()
      }
    },
    close() {
      connection.close()
    },
  }
}

function connect({ path, check }: Pick<SqliteOptions, 'path' | 'check'>): SqliteDatabase {
  try {
    if (path !== ':memory:') makeFolder(dirname(path))
    const before = inodeOf(path)
    const connection = new Sqlite(path, { timeout: busyTimeoutMs })
    configure(connection)
    if (before !== undefined && inodeOf(path) !== before) {
      connection.close()
      throw new Error('the file was replaced while it was opened')
    }
    if (check === 'now') quickCheck(connection)
    return connection
  } catch (error) {
    throw new DatabaseUnavailableError(`cannot open the database ${path}: ${explain(error)}`, {
      cause: error,
    })
  }
}

/** The number of the file; undefined when there is none. */
const inodeOf = (path: string): number | undefined =>
  path === ':memory:' ? undefined : statSync(path, { throwIfNoEntry: false })?.ino

const synchronousFull = 2

function configure(connection: SqliteDatabase): void {
  // Switching to WAL and reading a new WAL need the lock for a moment, and two starters may
  // collide.
  connection.pragma('busy_timeout = 5000')
  connection.pragma('journal_mode = WAL')
  connection.pragma('synchronous = FULL')
  connection.pragma('foreign_keys = ON')
  connection.pragma('journal_size_limit = 67108864')
  connection.pragma('cache_size = -32768')
  connection.prepare('select count(*) from sqlite_schema').get()
  const synchronous: unknown = connection.pragma('synchronous', { simple: true })
  if (synchronous !== synchronousFull) throw new Error(`synchronous is ${String(synchronous)}`)
  connection.pragma(`busy_timeout = ${busyTimeoutMs}`)
}

function quickCheck(connection: SqliteDatabase): void {
  const found: unknown = connection.pragma('quick_check(1)', { simple: true })
  if (found !== 'ok') throw new Error(`quick_check says ${String(found)}`)
}
