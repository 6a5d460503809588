import { closeSync, openSync, readSync, statSync, type Stats } from 'node:fs'

/** Notices that a SQLite file is no longer the one that was opened. */
export interface FileWatch {
  /** Says what happened to the file; undefined while it is the same. It costs two calls of the system, 5 µs. */
  findLoss(): string | undefined
  /** Looks into the file itself as well; for a check every now and then. */
  findReplacement(): string | undefined
  /** Only after every connection of this process: closing a file drops the locks that it has on it. */
  close(): void
}

/**
 * Watches the file at `path`, which SQLite has open. Its connection goes on with what was removed or moved away
 * and sees nothing of it: commits go into a file without a name, while the next process begins a new shop with
 * the same numbers beside it.
 */
export function watchFile(path: string): FileWatch {
  const file = openSync(path, 'r')
  const opened = statSync(path)
  let longest = opened.size
  let log = statOf(`${path}-wal`)

  function findLoss(): string | undefined {
    const found = statOf(path)
    if (found === undefined) return `the database file was removed or moved: ${path}`
    if (!isSame(found, opened)) return `the database file was replaced by another: ${path}`
    // SQLite itself makes it shorter only for VACUUM, which is not for a running shop.
    if (found.size < longest) return `the database file was overwritten: ${path} became shorter`
    longest = found.size
    const foundLog = statOf(`${path}-wal`)
    if (log !== undefined && (foundLog === undefined || !isSame(foundLog, log))) {
      return `the -wal beside the database file was removed or replaced: ${path}`
    }
    log ??= foundLog
    return undefined
  }

  return {
    findLoss: () => unlessUnreadable(findLoss),
    findReplacement: () =>
      unlessUnreadable(
        () =>
          findLoss() ??
          (isInWalMode(file) ? undefined : `the database file was overwritten: ${path}`),
      ),
    close() {
      closeSync(file)
    },
  }
}

/**
 * A disk that fails says nothing about the file: SQLite reports the failure itself, and the same file may be
 * back when the disk is.
 */
function unlessUnreadable(look: () => string | undefined): string | undefined {
  try {
    return look()
  } catch {
    return undefined
  }
}

const statOf = (path: string): Stats | undefined => statSync(path, { throwIfNoEntry: false })

const isSame = (one: Stats, other: Stats): boolean => one.ino === other.ino && one.dev === other.dev

const magic = 'SQLite format 3\0'
const walMode = 2

/** A copy that `npm run backup` made is not in WAL mode; nor is a file of anything else. */
function isInWalMode(file: number): boolean {
  const header = Buffer.alloc(20)
  readSync(file, header, 0, header.length, 0)
  const isSqlite = header.toString('latin1', 0, magic.length) === magic
  return isSqlite && header[18] === walMode && header[19] === walMode
}
