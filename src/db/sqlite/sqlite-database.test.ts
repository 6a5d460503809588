import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '../../clock.ts'
import { Sqlite, type SqliteDatabase } from './driver.ts'
import { createFakeClock } from '../../../test/support/fake-clock.ts'
import {
  createTemporaryFolder,
  type TemporaryFolder,
} from '../../../test/support/temporary-folder.ts'
import { describeDatabase } from '../database.contract.ts'
import { all, DatabaseUnavailableError, one, run, type Database } from '../database.ts'
import { openSqlite } from './sqlite-database.ts'
import { testRandom } from '../../../test/support/seed.ts'

let folder: TemporaryFolder
let path: string
let opened: { close(): unknown }[]

beforeEach(() => {
  folder = createTemporaryFolder()
  path = join(folder.path, 'made', 'on demand', 'test.db')
  opened = []
})

afterEach(async () => {
  for (const each of opened.reverse()) await each.close()
  folder.remove()
})

function open(options: Partial<Parameters<typeof openSqlite>[0]> = {}): Database {
  const database = openSqlite({ path, clock: systemClock, random: testRandom(), ...options })
  opened.push(database)
  return database
}

function openRaw(): SqliteDatabase {
  const raw = new Sqlite(path)
  opened.push(raw)
  return raw
}

const lockTimeoutMs = 250

describeDatabase('sqlite', () => {
  const database = open({ lockTimeoutMs })
  const other = open({ lockTimeoutMs })
  return Promise.resolve({
    database,
    other,
    lockTimeoutMs,
    holdWriteLock() {
      const holder = openRaw()
      holder.exec('begin immediate')
      return () => holder.exec('rollback')
    },
    incrementBehindOurBack: () =>
      openRaw().exec(`update counters set value = value + 1 where name = 'a'`),
    // The hook below closes everything and removes the files.
    close: () => Promise.resolve(),
  })
})

describe('a connection', () => {
  it.each<readonly [string, unknown, string]>([
    ['synchronous', 2, 'FULL: a power cut loses no acknowledged commit'],
    ['journal_mode', 'wal', 'readers never wait for a writer'],
    ['foreign_keys', 1, 'no row points at nothing'],
  ])('is set to %s = %s, because %s', async (pragma, expected) => {
    const row = await open().read(() => one<Record<string, unknown>>(`pragma ${pragma}`))
    expect(row[pragma]).toBe(expected)
  })

  it('blocks the event loop for a lock by a few ms only', async () => {
    const row = await open().read(() => one<{ timeout: number }>('pragma busy_timeout'))
    expect(row.timeout).toBeLessThanOrEqual(250)
  })

  it('refuses a row that points at nothing', async () => {
    const database = open()
    const orphan = database.transaction(function* () {
      yield* run('create table parents (id integer primary key)')
      yield* run('create table children (parent integer references parents (id))')
      yield* run('insert into children (parent) values (1)')
    })
    await expect(orphan).rejects.toThrow(/FOREIGN KEY/)
  })
})

describe('a file that cannot be used', () => {
  it('is refused when it is no database', () => {
    const text = join(folder.path, 'notes.txt')
    writeFileSync(text, 'these are no pages '.repeat(500))
    const openText = (): Database => open({ path: text })
    expect(openText).toThrow(DatabaseUnavailableError)
    expect(openText).toThrow(
      /cannot open the database .*notes\.txt: SQLITE_NOTADB: file is not a database/,
    )
  })

  it('is refused when its pages are damaged', () => {
    open()
    const raw = openRaw()
    raw.exec(`create table t (a text); create index t_by_a on t (a);
      with recursive n (i) as (select 1 union all select i + 1 from n where i < 5000)
      insert into t select hex(randomblob(50)) from n; pragma wal_checkpoint(truncate)`)
    for (const each of opened.splice(0).reverse()) each.close()
    const bytes = readFileSync(path)
    bytes.fill(0xa5, 4096 * 10, 4096 * 30)
    const damaged = join(folder.path, 'damaged.db')
    writeFileSync(damaged, bytes)
    const openDamaged = (): Database => open({ path: damaged })
    expect(openDamaged).toThrow(DatabaseUnavailableError)
    expect(openDamaged).toThrow(/quick_check says|malformed/)
  })

  it('is refused when its folder cannot be made', () => {
    writeFileSync(join(folder.path, 'file'), '')
    expect(() => open({ path: join(folder.path, 'file', 'test.db') })).toThrow(
      DatabaseUnavailableError,
    )
  })

  it('is unavailable while the disk is full, and works again afterwards', async () => {
    const database = open()
    const insert = `insert into t values (zeroblob(1000000))`
    await database.transaction(() => run('create table t (a blob)'))
    await database.read(() => all('pragma max_page_count = 10'))
    await expect(database.transaction(() => run(insert))).rejects.toThrow(DatabaseUnavailableError)
    await database.read(() => all('pragma max_page_count = 100000'))
    await database.transaction(() => run(insert))
    const { rows } = await database.read(() => one<{ rows: number }>('select count(*) rows from t'))
    expect(rows).toBe(1)
  })
})

describe('waiting for the lock', () => {
  const nothing = () => run('select 1')

  it('is bounded in number: the queue that is full refuses at once', async () => {
    const clock = createFakeClock()
    const database = open({ clock, lockTimeoutMs: 100 })
    const holder = openRaw()
    holder.exec('begin immediate')
    const waiting = Array.from({ length: 10_000 }, () => database.transaction(nothing))
    await expect(database.transaction(nothing)).rejects.toThrow(/too many transactions/)
    holder.exec('rollback')
    clock.advance(10)
    await Promise.all(waiting)
    await database.transaction(nothing)
    expect(clock.pending()).toBe(0)
  })

  it('does not let a later transaction overtake those that wait', async () => {
    const clock = createFakeClock()
    const database = open({ clock })
    const holder = openRaw()
    holder.exec('begin immediate')
    const order: number[] = []
    const note = (number: number) => database.transaction(nothing).then(() => order.push(number))
    const waiting = [note(1), note(2)]
    holder.exec('rollback')
    waiting.push(note(3))
    await Promise.resolve()
    clock.advance(10)
    await Promise.all(waiting)
    expect(order).toEqual([1, 2, 3])
  })
})

describe('two processes', () => {
  it('lose no increment', async () => {
    const database = open({ lockTimeoutMs: 10_000 })
    await database.transaction(function* () {
      yield* run('create table counters (value integer not null)')
      yield* run('insert into counters values (0)')
    })
    const increment = 'update counters set value = value + 1'
    const url = (file: string): string => JSON.stringify(new URL(file, import.meta.url))
    const program = `
      import { openSqlite } from ${url('./sqlite-database.ts')}
      import { run } from ${url('../database.ts')}
      import { systemClock } from ${url('../../clock.ts')}
      const options = { path: process.argv[1], clock: systemClock, random: Math.random }
      const database = openSqlite({ ...options, lockTimeoutMs: 10_000 })
      process.stdout.write('ready')
      process.stdin.once('data', async () => {
        for (let i = 0; i < 300; i++) await database.transaction(() => run('${increment}'))
        await database.close()
        process.exit(0)
      })`
    const arguments_ = ['--import', 'tsx', '--input-type=module', '--eval', program, path]
    const child = spawn(process.execPath, arguments_, { stdio: ['pipe', 'pipe', 'inherit'] })
    const exit = once(child, 'exit')
    await once(child.stdout, 'data')
    child.stdin.write('go')
    for (let count = 0; count < 300; count++) await database.transaction(() => run(increment))
    expect(await exit).toEqual([0, null])
    const row = await database.read(() => one<{ value: number }>('select value from counters'))
    expect(row.value).toBe(600)
  })
})
