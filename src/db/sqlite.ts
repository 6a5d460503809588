import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import Sqlite from 'better-sqlite3'
import { wait, type Clock } from '../clock.ts'
import {
  DatabaseUnavailableError,
  type Database,
  type Row,
  type Script,
  type Statement,
} from './database.ts'

export interface SqliteOptions {
  readonly path: string
  readonly clock: Clock
  /** Spreads the retries of several processes; 0 ≤ random() < 1. */
  readonly random: () => number
  /** How long a transaction may wait for its turn, ms. */
  readonly lockTimeoutMs?: number
}

/** SQLite's own wait blocks the event loop, so it is short; the rest of the waiting is asynchronous. */
const busyTimeoutMs = 5
const retryDelayMsMax = 50
const waitingMax = 10_000

/**
 * Opens a SQLite file as the database. One connection, one process; several processes may share the
 * file. `synchronous=FULL` is set and read back, because better-sqlite3 defaults to NORMAL in WAL
 * mode and a power cut would lose acknowledged commits.
 * @throws DatabaseUnavailableError when the file cannot be opened or fails its quick check.
 */
export function openSqlite(options: SqliteOptions): Database {
  const connection = connect(options.path)
  const runIn = createRunner(connection)
  const { clock, random, lockTimeoutMs = 5_000 } = options
  // Writers of this process queue here, so that only one of them polls for the lock.
  let turn: Promise<unknown> = Promise.resolve()
  let waiting = 0

  function assertOpen(): void {
    if (!connection.open) throw new DatabaseUnavailableError('the database is closed')
  }

  /** The deadline is that of the call: waiting for one's turn counts. */
  async function untilUnlocked<T>(attempt: () => T, deadline: number): Promise<T> {
    for (let delayMs = 2; ; delayMs = Math.min(delayMs * 2, retryDelayMsMax)) {
      assertOpen()
      try {
        return attempt()
      } catch (error) {
        if (!isBusy(error) || clock.monotonic() >= deadline) throw classified(error)
      }
      await wait(clock, delayMs * (0.5 + random() / 2))
    }
  }

  function inTurn<T>(attempt: () => T): Promise<T> {
    if (waiting >= waitingMax) {
      return Promise.reject(new DatabaseUnavailableError('too many transactions wait for the lock'))
    }
    waiting += 1
    const deadline = clock.monotonic() + lockTimeoutMs
    const result = turn.then(() => untilUnlocked(attempt, deadline))
    turn = result.then(ignore, ignore).then(() => {
      waiting -= 1
    })
    return result
  }

  async function transaction<T>(script: () => Script<T>): Promise<T> {
    const attempt = (): T => runIn('begin immediate', script)
    if (waiting > 0) return inTurn(attempt)
    // Nobody waits: try at once, in this tick.
    assertOpen()
    try {
      return attempt()
    } catch (error) {
      if (!isBusy(error)) throw classified(error)
    }
    return inTurn(attempt)
  }

  return {
    transaction,
    read: (script) =>
      untilUnlocked(() => runIn('begin', script), clock.monotonic() + lockTimeoutMs),
    async close() {
      await turn
      connection.close()
    },
  }
}

function ignore(): void {
  // The caller of the transaction hears of its failure; the queue only moves on.
}

/** Drives scripts over one connection, statements prepared once and cached by text. */
function createRunner(connection: Sqlite.Database) {
  const statements = new Map<string, Sqlite.Statement>()

  function prepare(text: string): Sqlite.Statement {
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
    let step = script.next()
    while (step.done !== true) step = script.next(execute(step.value))
    return step.value
  }

  return function runIn<T>(begin: 'begin' | 'begin immediate', script: () => Script<T>): T {
    prepare(begin).run()
    try {
      const result = drive(script())
      prepare('commit').run()
      return result
    } catch (error) {
      // A full disk or an I/O error may have rolled back already.
      if (connection.inTransaction) prepare('rollback').run()
      throw error
    }
  }
}

function connect(path: string): Sqlite.Database {
  try {
    if (path !== ':memory:') mkdirSync(dirname(path), { recursive: true })
    const connection = new Sqlite(path, { timeout: busyTimeoutMs })
    configure(connection)
    return connection
  } catch (error) {
    throw new DatabaseUnavailableError(`cannot open the database ${path}: ${message(error)}`, {
      cause: error,
    })
  }
}

const synchronousFull = 2

function configure(connection: Sqlite.Database): void {
  // Switching to WAL and reading a fresh WAL need the lock for a moment; starters may collide.
  connection.pragma('busy_timeout = 5000')
  connection.pragma('journal_mode = WAL')
  connection.pragma('synchronous = FULL')
  connection.pragma('foreign_keys = ON')
  connection.pragma('journal_size_limit = 67108864')
  connection.prepare('select count(*) from sqlite_schema').get()
  const synchronous: unknown = connection.pragma('synchronous', { simple: true })
  if (synchronous !== synchronousFull) throw new Error(`synchronous is ${String(synchronous)}`)
  const check: unknown = connection.pragma('quick_check(1)', { simple: true })
  if (check !== 'ok') throw new Error(`quick_check says ${String(check)}`)
  connection.pragma(`busy_timeout = ${busyTimeoutMs}`)
}

/** Not the program's fault and possibly gone in a moment: locked, full, unreadable. */
const unavailableCode = /^SQLITE_(BUSY|LOCKED|FULL|IOERR|CANTOPEN|READONLY|NOMEM|CORRUPT|NOTADB)/

function isBusy(error: unknown): boolean {
  return error instanceof Sqlite.SqliteError && error.code.startsWith('SQLITE_BUSY')
}

function classified(error: unknown): unknown {
  if (error instanceof Sqlite.SqliteError && unavailableCode.test(error.code)) {
    return new DatabaseUnavailableError(`${error.code}: ${error.message}`, { cause: error })
  }
  return error
}

function message(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
