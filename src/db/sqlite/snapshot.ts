import { chmodSync, closeSync, fsyncSync, openSync, rmSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseUnavailableError } from '../database.ts'
import { Sqlite, type SqliteDatabase } from './driver.ts'
import { explain } from './transactions.ts'

/** One state of a SQLite file, kept for as long as it takes to copy it while others go on writing. */
export interface Snapshot {
  /**
   * Writes the state into a new file that only its owner may read, syncs it and checks it (`quick_check`).
   * The copy is one file without `-wal`.
   * @throws DatabaseUnavailableError when the disk is full or the copy is damaged; no file is left then.
   */
  copyTo(path: string): Promise<void>
  close(): void
}

/** Pages in one step of a copy. Larger steps are no faster; this process has nothing else to do. */
const pagesPerStep = 2_000

/**
 * Holds the present state of a file in a read transaction. Without one, every commit of another connection
 * makes SQLite begin the copy again: with 10 writes a second it was not done after 45 s, with one it took
 * 1.5 s.
 * @throws DatabaseUnavailableError when the file cannot be read.
 */
export function openSnapshot(path: string): Snapshot {
  const connection = openToRead(path)
  return {
    async copyTo(target) {
      try {
        await connection.backup(target, { progress: () => pagesPerStep })
        makeSingleFile(target)
        checkFile(target)
        chmodSync(target, 0o600)
        syncToDisk(target)
      } catch (error) {
        removeFile(target)
        throw unavailable(`${target} cannot be written`, error)
      }
    },
    close() {
      connection.close()
    },
  }
}

function openToRead(path: string): SqliteDatabase {
  try {
    const connection = new Sqlite(path, { fileMustExist: true, timeout: 5_000 })
    connection.pragma('query_only = on')
    connection.exec('begin')
    // A transaction begins with its first read.
    connection.prepare('select count(*) from sqlite_schema').get()
    return connection
  } catch (error) {
    throw unavailable(`${path} cannot be read`, error)
  }
}

/** Leaves WAL mode, so that the file is whole without a neighbour. */
function makeSingleFile(path: string): void {
  const connection = new Sqlite(path)
  try {
    connection.pragma('journal_mode = delete')
  } finally {
    connection.close()
  }
}

/** @throws DatabaseUnavailableError when the file is damaged or no SQLite file. */
export function checkFile(path: string): void {
  let found: unknown
  try {
    const connection = new Sqlite(path, { fileMustExist: true })
    try {
      found = connection.pragma('quick_check(1)', { simple: true })
    } finally {
      connection.close()
    }
  } catch (error) {
    throw unavailable(`${path} is damaged`, error)
  }
  if (found !== 'ok') throw new DatabaseUnavailableError(`${path} is damaged: ${String(found)}`)
}

/** Takes the only lock on a file that nobody has open, and folds its `-wal` into it. */
export interface ExclusiveClaim {
  release(): void
}

/**
 * Claims a file for as long as it is replaced: every process that has it open keeps a lock on it.
 * @throws DatabaseUnavailableError with `SQLITE_BUSY` when a process uses it.
 */
export function claimFile(path: string): ExclusiveClaim {
  const connection = new Sqlite(path, { fileMustExist: true, timeout: 1_000 })
  try {
    connection.pragma('journal_mode = delete')
    connection.exec('begin exclusive')
  } catch (error) {
    connection.close()
    throw unavailable(`${path} cannot be claimed`, error)
  }
  return {
    release() {
      connection.close()
    },
  }
}

/** Syncs a file and the folder that names it. */
export function syncToDisk(path: string): void {
  for (const each of [path, dirname(path)]) {
    const file = openSync(each, 'r')
    try {
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
  }
}

/** Removes a SQLite file and its neighbours, where they are there. */
export function removeFile(path: string): void {
  for (const suffix of neighbours) rmSync(`${path}${suffix}`, { force: true })
}

/** The suffixes of the files that SQLite keeps beside each other; the first is the database itself. */
export const neighbours: readonly string[] = ['', '-wal', '-shm', '-journal']

function unavailable(what: string, cause: unknown): DatabaseUnavailableError {
  if (cause instanceof DatabaseUnavailableError) return cause
  return new DatabaseUnavailableError(`${what}: ${explain(cause)}`, { cause })
}
