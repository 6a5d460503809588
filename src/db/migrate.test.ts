import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '../clock.ts'
import { migrationsFolder } from '../../test/support/database-fixture.ts'
import { createTemporaryFolder, type TemporaryFolder } from '../../test/support/temporary-folder.ts'
import { all, run, type Database } from './database.ts'
import { migrate, MigrationError, migrationStatus, readMigrations } from './migrate.ts'
import { openSqlite } from './sqlite/sqlite-database.ts'
import { testRandom } from '../../test/support/seed.ts'

let folder: TemporaryFolder
let opened: Database[]
let database: Database

beforeEach(() => {
  folder = createTemporaryFolder()
  opened = []
  database = open()
})

afterEach(async () => {
  for (const each of opened) await each.close()
  folder.remove()
})

const databasePath = (): string => join(folder.path, 'test.db')

function open(): Database {
  const each = openSqlite({ path: databasePath(), clock: systemClock, random: testRandom() })
  opened.push(each)
  return each
}

/** Writes the files and reads them back as migrations. */
function migrations(files: Readonly<Record<string, string>>) {
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder.path, name), text)
  return readMigrations(folder.path)
}

async function tables(): Promise<readonly string[]> {
  const rows = await database.read(() =>
    all<{ name: string }>(`select name from sqlite_schema where type = 'table' order by name`),
  )
  return rows.map(({ name }) => name)
}

const one = { '0001_one.sql': 'create table one (id integer primary key);\n' }
const two = { '0002_two.sql': 'create table two (id integer primary key);\n' }

describe('migrating', () => {
  it('applies all files in the order of their numbers and says which', async () => {
    const both = migrations({
      '0002_second.sql': 'insert into t values (2);',
      '0001_first.sql': 'create table t (a integer);',
      'notes.txt': 'no migration',
      '1_short.sql': 'not a migration either',
    })
    expect(await migrate(database, both, 5)).toEqual(['0001_first', '0002_second'])
    expect(await database.read(() => all('select a from t'))).toEqual([{ a: 2 }])
  })

  it('has nothing to do the second time', async () => {
    await migrate(database, migrations(one), 5)
    expect(await migrate(database, migrations(one), 6)).toEqual([])
    const { applied } = await migrationStatus(database, migrations(one))
    expect(applied.map(({ appliedAt }) => appliedAt)).toEqual([5])
  })

  it('applies only what is new', async () => {
    await migrate(database, migrations(one), 5)
    expect(await migrate(database, migrations(two), 6)).toEqual(['0002_two'])
    expect(await tables()).toEqual(['one', 'schema_migrations', 'two'])
  })

  it('makes the schema of this program', async () => {
    const files = readMigrations(migrationsFolder)
    expect(await migrate(database, files, 5)).toEqual(files.map(({ name }) => name))
    expect(await tables()).toEqual(
      expect.arrayContaining(
        'users shops products stock carts cart_details invoices invoice_details flash_sales flash_sale_details reservations stock_movements payments'.split(
          ' ',
        ),
      ),
    )
  })
})

describe('the status', () => {
  it('names what is applied and what is pending, and changes nothing', async () => {
    await migrate(database, migrations(one), 5)
    const status = await migrationStatus(database, migrations(two))
    expect(status.applied).toEqual([
      {
        name: '0001_one',
        checksum: expect.stringMatching(/^[0-9a-f]{64}$/) as string,
        appliedAt: 5,
      },
    ])
    expect(status.pending).toEqual(['0002_two'])
    expect(await tables()).not.toContain('two')
  })

  it('of an empty database is everything pending', async () => {
    expect(await migrationStatus(database, migrations(one))).toEqual({
      applied: [],
      pending: ['0001_one'],
    })
    expect(await tables()).toEqual([])
  })
})

describe('a schema this program cannot work with', () => {
  it('is refused when an applied file was changed', async () => {
    await migrate(database, migrations(one), 5)
    const changed = migrations({ '0001_one.sql': 'create table one (id integer);\n', ...two })
    await expect(migrate(database, changed, 6)).rejects.toThrow(
      new MigrationError('0001_one was changed after it had been applied'),
    )
    await expect(migrationStatus(database, changed)).rejects.toThrow(MigrationError)
    expect(await tables()).not.toContain('two')
  })

  it('is refused when it is newer than the program', async () => {
    const both = migrations({ ...one, ...two })
    await migrate(database, both, 5)
    await expect(migrate(database, both.slice(0, 1), 6)).rejects.toThrow(/0002_two.*newer/)
  })

  it('is refused when a file was put in before applied ones', async () => {
    await migrate(database, migrations(two), 5)
    await expect(migrate(database, migrations(one), 6)).rejects.toThrow(MigrationError)
    expect(await tables()).not.toContain('one')
  })
})

describe('a migration that does not get through', () => {
  it('leaves the old schema when a statement fails', async () => {
    const broken = migrations({
      ...one,
      '0002_two.sql': 'create table two (a);\ncreate nonsense;\n',
    })
    await expect(migrate(database, broken, 5)).rejects.toThrow(/syntax error/)
    expect(await tables()).toEqual([])
    expect(await migrate(database, migrations(two), 6)).toEqual(['0001_one', '0002_two'])
  })

  it('is refused before anything runs when a statement does not end', () => {
    expect(() => migrations({ '0001_one.sql': 'create table one (a)\n' })).toThrow(
      /a statement does not end: create table one/,
    )
  })

  it.each([1, 2, 10, 40])(
    'leaves the old schema when killed after %d statements',
    async (count) => {
      const url = (file: string): string => JSON.stringify(new URL(file, import.meta.url))
      const program = `
      import { openSqlite } from ${url('./sqlite/sqlite-database.ts')}
      import { migrate, readMigrations } from ${url('./migrate.ts')}
      import { systemClock } from ${url('../clock.ts')}
      const [path, folder] = process.argv.slice(1)
      const database = openSqlite({ path, clock: systemClock, random: Math.random })
      function* killing(script) {
        let step = script.next()
        for (let count = 0; !step.done; count++) {
          if (count > ${count}) process.kill(process.pid, 'SIGKILL')
          step = script.next(yield step.value)
        }
        return step.value
      }
      const transaction = (script) => database.transaction(() => killing(script()))
      await migrate({ ...database, transaction }, readMigrations(folder), 5)`
      const child = spawnSync(
        process.execPath,
        [
          '--import',
          'tsx',
          '--input-type=module',
          '--eval',
          program,
          databasePath(),
          migrationsFolder,
        ],
        { encoding: 'utf8' },
      )
      expect([child.signal, child.stderr]).toEqual(['SIGKILL', ''])
      expect(await tables()).toEqual([])
      const files = readMigrations(migrationsFolder)
      expect(await migrate(database, files, 6)).toEqual(files.map(({ name }) => name))
    },
  )
})

describe('two starters at once', () => {
  it('apply everything once; the second finds nothing to do', async () => {
    const both = migrations({ ...one, ...two })
    const applied = await Promise.all([
      migrate(database, both, 5),
      migrate(open(), both, 6),
      migrate(open(), both, 7),
    ])
    expect(applied.flat().sort()).toEqual(['0001_one', '0002_two'])
    const { pending } = await migrationStatus(database, both)
    expect(pending).toEqual([])
  })

  it('read the status again under the lock: what was pending may be applied by then', async () => {
    const files = migrations(one)
    const other = open()
    let overtaken = false
    const late: Database = {
      ...database,
      async transaction(script) {
        overtaken = (await migrate(other, files, 6)).length === 1
        return database.transaction(script)
      },
    }
    expect(await migrate(late, files, 5)).toEqual([])
    expect(overtaken).toBe(true)
  })
})

describe('splitting into statements', () => {
  it('keeps the body of a trigger whole, and leaves comments and empty lines out', async () => {
    const text = `
      -- a comment; with a semicolon
      create table t (
        a text not null, -- the words
        b integer
      );

      create trigger t_never_deleted before delete on t
      begin
        select 1;
        select raise(abort, 'kept; for ever');
      end;
      insert into t values ('semi;colon', 1);
    `
    const [migration] = migrations({ '0001_one.sql': text })
    expect(migration?.statements).toHaveLength(3)
    await migrate(database, migrations({}), 5)
    expect(await database.read(() => all('select a, b from t'))).toEqual([
      { a: 'semi;colon', b: 1 },
    ])
    const remove = database.transaction(() => run('delete from t'))
    await expect(remove).rejects.toThrow(/kept; for ever/)
  })
})
