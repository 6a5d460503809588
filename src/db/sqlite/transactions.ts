import { Sqlite, type SqliteDatabase } from './driver.ts'
import type { GroupConnection } from './group-commit.ts'

/**
 * Matches errors that are not the program's fault and may be over in a moment: locked, full,
 * unreadable.
 */
const unavailableCode = /^SQLITE_(BUSY|LOCKED|FULL|IOERR|CANTOPEN|READONLY|NOMEM|CORRUPT|NOTADB)/

/**
 * Opens the write transactions of one connection to a SQLite file, for a group commit.
 * `unavailable` makes the error that is thrown when the file cannot be used.
 */
export function openTransactions(
  connection: SqliteDatabase,
  unavailable: GroupConnection['unavailable'],
): GroupConnection {
  // A savepoint has little to undo, so its journal stays in memory.
  connection.pragma('temp_store = MEMORY')

  function command(text: string): () => void {
    const statement = connection.prepare(text)
    return () => {
      statement.run()
    }
  }
  const release = command('release member')
  const rollbackToMember = command('rollback to member')

  return {
    begin: command('begin immediate'),
    commit: command('commit'),
    rollback: command('rollback'),
    savepoint: command('savepoint member'),
    release,
    undo() {
      rollbackToMember()
      release()
    },
    inTransaction: () => connection.inTransaction,
    isBusy,
    isUnavailable,
    unavailable,
  }
}

/** Tells whether another connection has the lock. */
export const isBusy = (error: unknown): boolean => hasCode(error, /^SQLITE_BUSY/)

/** Tells whether the error comes from a full or broken disk or a lock. */
export const isUnavailable = (error: unknown): boolean => hasCode(error, unavailableCode)

/** Describes the error in a few words, with SQLite's code. */
export function explain(error: unknown): string {
  if (error instanceof Sqlite.SqliteError) return `${error.code}: ${error.message}`
  return error instanceof Error ? error.message : String(error)
}

function hasCode(error: unknown, code: RegExp): boolean {
  return error instanceof Sqlite.SqliteError && code.test(error.code)
}
