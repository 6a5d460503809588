import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { systemClock } from '../../src/clock.ts'
import { migrate, readMigrations } from '../../src/db/migrate.ts'
import { openSqlite } from '../../src/db/sqlite/sqlite-database.ts'
import { migrationsFolder } from '../../src/holdfast.ts'
import { createTemporaryFolder } from '../support/temporary-folder.ts'

let made: Promise<Buffer> | undefined

/** Makes the bytes of a migrated, empty database once; every run begins with a copy. */
export function emptyDatabase(): Promise<Buffer> {
  return (made ??= make())
}

async function make(): Promise<Buffer> {
  const folder = createTemporaryFolder()
  try {
    const path = join(folder.path, 'empty.db')
    const database = openSqlite({ path, clock: systemClock, random: () => 0.5 })
    await migrate(database, readMigrations(migrationsFolder), 0)
    await database.close()
    return readFileSync(path)
  } finally {
    folder.remove()
  }
}
