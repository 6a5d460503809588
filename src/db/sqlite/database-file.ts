import { wait, type Clock } from '../../clock.ts'
import type { Service } from '../../lifecycle.ts'
import type { Logger } from '../../logger.ts'
import type { Database } from '../database.ts'
import { checkIntegrity, type CheckProgress } from './check-integrity.ts'
import { watchFile, type FileWatch } from './file-watch.ts'
import { guardDatabase, type GuardedDatabase } from './guarded-database.ts'
import type { DatabaseReader } from './sqlite-reader.ts'

/**
 * The database file through the life of a process. Every read and write is refused until the file has been checked,
 * and again from the moment it is found removed or replaced; only a restart recovers from that.
 */
export interface DatabaseFile extends Service {
  readonly database: GuardedDatabase
  /** Ends a check that is under way, or that has found damage, because the process is to stop. */
  abandon(): void
}

export interface DatabaseFileOptions {
  readonly path: string
  readonly database: Database
  /** Runs the check in its thread. */
  readonly reader: DatabaseReader
  readonly clock: Clock
  readonly logger: Logger
  /** Runs once the file is checked and open. */
  readonly afterCheck: (database: Database) => Promise<void>
}

const watchEveryMs = 500
const checkRetryMs = 1_000
/** The messages of SQLITE_CORRUPT and SQLITE_NOTADB. */
const damagePattern = /malformed|not a database/
/** A check that takes longer is told in the log, once for each of these. */
const progressEveryMs = 1_000

export function createDatabaseFile(options: DatabaseFileOptions): DatabaseFile {
  const { path, reader, clock, logger, afterCheck } = options
  let watch: FileWatch | undefined
  let abandoned = false
  let giveUp = (): void => undefined
  const whenAbandoned = new Promise<void>((resolve) => {
    giveUp = resolve
  })
  let cancelWatch = (): void => undefined
  const database = guardDatabase(options.database, () => watch?.findLoss())
  database.refuse('the database file is not checked yet')

  function showProgress(): (progress: CheckProgress) => void {
    let toldAt = clock.monotonic()
    return ({ table, percent }) => {
      database.refuse(`the database file is being checked: ${percent} %, now ${table}`)
      if (clock.monotonic() - toldAt < progressEveryMs) return
      toldAt = clock.monotonic()
      logger.info({ table, percent }, 'the database file is being checked')
    }
  }

  /** Returns only when nothing is damaged, or when the process is to stop. */
  async function check(): Promise<void> {
    const damage = await findDamage()
    if (damage === undefined || abandoned) return
    database.refuse(`the database file is damaged: ${damage}`)
    logger.fatal({ path, damage }, 'the database file is damaged: stop, and restore a backup')
    await whenAbandoned
  }

  /** Tries again when the file cannot be read: only SQLite's own word makes it damaged. */
  async function findDamage(): Promise<string | undefined> {
    for (;;) {
      try {
        return await checkIntegrity(reader, showProgress(), () => !abandoned)
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error)
        if (abandoned || damagePattern.test(reason)) return reason
        database.refuse(`the database file could not be checked: ${reason}`)
        logger.warn({ path, err: error }, 'the database file could not be checked, trying again')
      }
      await Promise.race([wait(clock, checkRetryMs), whenAbandoned])
    }
  }

  function lookAgain(): void {
    const loss = database.refusal() ?? watch?.findReplacement()
    if (loss === undefined) {
      cancelWatch = clock.after(watchEveryMs, lookAgain)
      return
    }
    database.refuse(loss)
    logger.fatal(
      { path, loss },
      'the database file is lost: nothing is read or written before a restart',
    )
  }

  return {
    name: 'database',
    database,
    abandon() {
      abandoned = true
      giveUp()
    },
    async start() {
      // Before the check: a file that is put in place meanwhile is not the one that was checked.
      if (path !== ':memory:') watch = watchFile(path)
      const startedAt = clock.monotonic()
      await Promise.race([check(), whenAbandoned])
      if (abandoned) return
      logger.info({ ms: Math.round(clock.monotonic() - startedAt) }, 'the database file is checked')
      // Requests are served by now: none may meet the schema of an older version.
      await afterCheck(options.database)
      database.admit()
      if (watch !== undefined) lookAgain()
    },
    async stop() {
      cancelWatch()
      await reader.close()
      await database.close()
      watch?.close()
    },
  }
}
