import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { systemClock } from '../clock.ts'
import { readFlags, runCommand } from '../command-line.ts'
import { loadConfig, readEnvironment } from '../config.ts'
import { migrate, migrationStatus, readMigrations } from '../db/migrate.ts'
import { openSqlite } from '../db/sqlite/sqlite-database.ts'
import { migrationsFolder } from '../holdfast.ts'
import { explainStart, StartFailure } from '../start-failure.ts'

const usage = `Usage: npm run migrate [-- flags]

Applies the pending migrations to the database at DATABASE_PATH and lists all of them. The program does
the same at its start.

  --status   only list them
  --help     this text

Exit code: 0 done, 1 the database cannot be migrated, 2 wrong usage.`

async function run(args: readonly string[]): Promise<number> {
  const values = readFlags(args, { status: { type: 'boolean', default: false } })
  const config = loadConfig(readEnvironment(), () => randomBytes(24).toString('base64url'))
  const path = config.databasePath
  if (values.status && !existsSync(path)) throw new StartFailure(`There is no database at ${path}.`)
  try {
    await migrateFile(path, values.status ? 'status only' : 'apply')
  } catch (error) {
    throw explainStart(error, config)
  }
  return 0
}

async function migrateFile(path: string, what: 'apply' | 'status only'): Promise<void> {
  const migrations = readMigrations(migrationsFolder)
  const database = openSqlite({ path, clock: systemClock, random: Math.random })
  try {
    if (what === 'apply') {
      const applied = await migrate(database, migrations, systemClock.now())
      for (const name of applied) say(`applied  ${name}`)
    }
    const { applied, pending } = await migrationStatus(database, migrations)
    say(`${path}: ${applied.length} applied, ${pending.length} pending`)
    for (const { name, appliedAt } of applied) {
      say(`  applied  ${name}  ${new Date(appliedAt).toISOString()}`)
    }
    for (const name of pending) say(`  pending  ${name}`)
  } finally {
    await database.close()
  }
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}

await runCommand({ usage, failureExitCode: 1, run })
