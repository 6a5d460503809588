import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { auditInvariants } from '../../src/audit/invariants.ts'
import { all, type Database, type Script, type SqlValue } from '../../src/db/database.ts'
import { migrate, readMigrations } from '../../src/db/migrate.ts'
import { openSqlite } from '../../src/db/sqlite/sqlite-database.ts'
import { Sqlite, type SqliteDatabase } from '../../src/db/sqlite/driver.ts'
import { createFakeClock, type FakeClock } from './fake-clock.ts'
import { createTemporaryFolder, type TemporaryFolder } from './temporary-folder.ts'

/** A migrated SQLite file in a folder of its own, with a clock that moves only when told to. */
export interface DatabaseFixture {
  readonly database: Database
  readonly path: string
  readonly clock: FakeClock
  /** Ids that sort in the order they were made. */
  readonly newId: () => string
  run<T>(script: Script<T>): Promise<T>
  read<T>(script: Script<T>): Promise<T>
  rows<T>(text: string, ...values: readonly SqlValue[]): Promise<readonly T[]>
  /** One more connection to the same file, as another process has it. */
  openAgain(): Database
  /** The bare driver on the same file, for what the port does not allow. */
  openRaw(): SqliteDatabase
  /** The ids of the invariants that are violated now. */
  violated(): Promise<readonly string[]>
  close(): Promise<void>
}

export const migrationsFolder = fileURLToPath(new URL('../../migrations/sqlite', import.meta.url))

export async function openDatabaseFixture(
  folder: TemporaryFolder = createTemporaryFolder(),
): Promise<DatabaseFixture> {
  const path = join(folder.path, 'holdfast.db')
  const clock = createFakeClock()
  const opened: { close(): unknown }[] = []
  let ids = 0

  function openAgain(): Database {
    const database = openSqlite({ path, clock, random: () => 0.5 })
    opened.push(database)
    return database
  }

  function openRaw(): SqliteDatabase {
    const raw = new Sqlite(path)
    opened.push(raw)
    return raw
  }

  const database = openAgain()
  await migrate(database, readMigrations(migrationsFolder), clock.now())
  return {
    database,
    path,
    clock,
    openAgain,
    openRaw,
    newId: () => testId((ids += 1)),
    run: (script) => database.transaction(() => script),
    read: (script) => database.read(() => script),
    rows: (text, ...values) => database.read(() => all(text, ...values)),
    async violated() {
      const results = await auditInvariants(database)
      return results.filter(({ violations }) => violations > 0).map(({ id }) => id)
    },
    async close() {
      for (const each of opened.reverse()) await each.close()
      folder.remove()
    },
  }
}

/** Looks like a UUIDv7 and sorts by its number. */
export function testId(number: number): string {
  return `0197a1b2-0000-7000-8000-${String(number).padStart(12, '0')}`
}
