import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { all, run, type Database, type Script } from './database.ts'

/**
 * Migrations are numbered `.sql` files, applied in order, all pending ones in one transaction: a
 * kill half way leaves the old schema, and of two starters the second finds nothing to do.
 */
export interface Migration {
  readonly name: string
  /** Hex SHA-256 of the text; an applied file must never change. */
  readonly checksum: string
  readonly statements: readonly string[]
}

export interface AppliedMigration {
  readonly name: string
  readonly checksum: string
  /** Epoch ms. */
  readonly appliedAt: number
}

export interface MigrationStatus {
  readonly applied: readonly AppliedMigration[]
  readonly pending: readonly string[]
}

/** Thrown when this program cannot work with the schema in the file. */
export class MigrationError extends Error {
  override readonly name = 'MigrationError'
}

/** Reads all migrations of a folder, in order. */
export function readMigrations(folder: string): Migration[] {
  return readdirSync(folder)
    .filter((name) => /^\d{4}_[a-z0-9_]+\.sql$/.test(name))
    .sort()
    .map((name) => {
      const text = readFileSync(join(folder, name), 'utf8')
      const checksum = createHash('sha256').update(text).digest('hex')
      return { name: name.replace(/\.sql$/, ''), checksum, statements: splitStatements(text) }
    })
}

/**
 * Applies what is pending and returns the names.
 * @throws MigrationError when an applied file changed or the schema is newer than the program.
 */
export async function migrate(
  database: Database,
  migrations: readonly Migration[],
  now: number,
): Promise<readonly string[]> {
  const status = await migrationStatus(database, migrations)
  if (status.pending.length === 0) return []
  return database.transaction(() => applyPending(migrations, now))
}

/**
 * Tells which migrations are applied and pending.
 * @throws MigrationError as `migrate`.
 */
export function migrationStatus(
  database: Database,
  migrations: readonly Migration[],
): Promise<MigrationStatus> {
  return database.read(function* () {
    const applied = yield* readApplied()
    return { applied, pending: pendingOf(migrations, applied).map(({ name }) => name) }
  })
}

const createMigrationsTable = `
  create table if not exists schema_migrations (
    name text primary key,
    checksum text not null,
    applied_at integer not null
  )`
const insertMigration = `insert into schema_migrations (name, checksum, applied_at) values (?, ?, ?)`

function* applyPending(migrations: readonly Migration[], now: number): Script<readonly string[]> {
  yield* run(createMigrationsTable)
  // The applied ones are read again under the write lock: another starter may have been first.
  const pending = pendingOf(migrations, yield* readApplied())
  for (const { name, checksum, statements } of pending) {
    for (const statement of statements) yield* run(statement)
    yield* run(insertMigration, name, checksum, now)
  }
  return pending.map(({ name }) => name)
}

const findMigrationsTable = `
  select name from sqlite_schema where type = 'table' and name = 'schema_migrations'`
const selectApplied = `
  select name, checksum, applied_at as "appliedAt" from schema_migrations order by name`

function* readApplied(): Script<readonly AppliedMigration[]> {
  const tables = yield* all(findMigrationsTable)
  return tables.length === 0 ? [] : yield* all<AppliedMigration>(selectApplied)
}

function pendingOf(
  migrations: readonly Migration[],
  applied: readonly AppliedMigration[],
): readonly Migration[] {
  for (const [index, { name, checksum }] of applied.entries()) {
    const known = migrations[index]
    if (known === undefined) {
      throw new MigrationError(
        `the database has ${name}, which this program does not know: it is newer`,
      )
    }
    if (known.name !== name || known.checksum !== checksum) {
      throw new MigrationError(`${name} was changed after it had been applied`)
    }
  }
  return migrations.slice(applied.length)
}

/** Splits at semicolons at the end of a line, keeping `begin … end;` bodies of triggers whole. */
function splitStatements(text: string): string[] {
  const statements: string[] = []
  let lines: string[] = []
  let inBody = false
  for (const line of text.split('\n')) {
    if (line.trim() === '' || line.trimStart().startsWith('--')) continue
    lines.push(line)
    if (line.trim() === 'begin') inBody = true
    if (line.trim() === 'end;') inBody = false
    if (!inBody && line.trimEnd().endsWith(';')) {
      statements.push(lines.join('\n'))
      lines = []
    }
  }
  if (lines.length > 0) throw new MigrationError(`a statement does not end: ${lines.join('\n')}`)
  return statements
}
