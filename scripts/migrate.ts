import { randomBytes } from 'node:crypto'
import { parseArgs } from 'node:util'
import { systemClock } from '../src/clock.ts'
import { loadConfig, readEnvironment } from '../src/config.ts'
import { migrate, migrationStatus, readMigrations } from '../src/db/migrate.ts'
import { openSqlite } from '../src/db/sqlite/sqlite-database.ts'
import { migrationsFolder } from '../src/holdfast.ts'

/** `npm run migrate` applies what is pending; `npm run migrate -- --status` only says what is. */
const usage = 'usage: npm run migrate [-- --status]'

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { status: { type: 'boolean', default: false } } })
  const config = loadConfig(readEnvironment(), () => randomBytes(24).toString('base64url'))
  const migrations = readMigrations(migrationsFolder)
  const database = openSqlite({
    path: config.databasePath,
    clock: systemClock,
    random: Math.random,
  })
  try {
    if (!values.status) {
      const applied = await migrate(database, migrations, systemClock.now())
      for (const name of applied) console.log(`applied  ${name}`)
    }
    const { applied, pending } = await migrationStatus(database, migrations)
    console.log(`${config.databasePath}: ${applied.length} applied, ${pending.length} pending`)
    for (const { name, appliedAt } of applied) {
      console.log(`  applied  ${name}  ${new Date(appliedAt).toISOString()}`)
    }
    for (const name of pending) console.log(`  pending  ${name}`)
  } finally {
    await database.close()
  }
}

try {
  await main()
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  console.error(usage)
  process.exit(1)
}
