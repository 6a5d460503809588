import {
  copyFileSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createFakeClock, type FakeClock } from '../../../test/support/fake-clock.ts'
import {
  createTemporaryFolder,
  type TemporaryFolder,
} from '../../../test/support/temporary-folder.ts'
import { until } from '../../../test/support/until.ts'
import { createLogger } from '../../logger.ts'
import { all, DatabaseUnavailableError, run } from '../database.ts'
import { createDatabaseFile, type DatabaseFile } from './database-file.ts'
import { Sqlite } from './driver.ts'
import { openSnapshot } from './snapshot.ts'
import { openSqlite } from './sqlite-database.ts'
import { openSqliteReader, type DatabaseReader } from './sqlite-reader.ts'

let folder: TemporaryFolder
let clock: FakeClock
let path: string
let opened: DatabaseFile[]

beforeEach(() => {
  folder = createTemporaryFolder()
  clock = createFakeClock()
  path = join(folder.path, 'shop.db')
  opened = []
  const raw = new Sqlite(path)
  raw.pragma('journal_mode = wal')
  raw.exec(`create table t (a text); create table u (b text); create index t_by_a on t (a);
    with recursive n (i) as (select 1 union all select i + 1 from n where i < 5000)
    insert into t select hex(randomblob(50)) from n`)
  raw.close()
})
afterEach(async () => {
  for (const each of opened) {
    each.abandon()
    await each.stop()
  }
  folder.remove()
})

function open(reader: DatabaseReader = openSqliteReader(path)): DatabaseFile {
  const database = openSqlite({ path, clock, random: () => 0.5, check: 'later' })
  const logger = createLogger('silent', {})
  const file = createDatabaseFile({
    path,
    database,
    reader,
    clock,
    logger,
    afterCheck: () => Promise.resolve(),
  })
  opened.push(file)
  return file
}

const read = ({ database }: DatabaseFile) => database.read(() => all('select count(*) from t'))
const write = ({ database }: DatabaseFile) =>
  database.transaction(() => run(`insert into u values ('x')`))

describe('a database file that is checked at the start', () => {
  it('lets nobody in before, and says how far the check is', async () => {
    const real = openSqliteReader(path)
    const seen: (string | undefined)[] = []
    const reader: DatabaseReader = {
      close: () => real.close(),
      read(script) {
        seen.push(file.database.refusal())
        return real.read(script)
      },
    }
    const file = open(reader)
    await expect(read(file)).rejects.toThrow('not checked yet')
    await expect(write(file)).rejects.toThrow(DatabaseUnavailableError)
    await file.start()
    expect(seen.slice(1)).toEqual([
      'the database file is being checked: 0 %, now t',
      'the database file is being checked: 100 %, now u',
      'the database file is being checked: 100 %, now u',
    ])
    await read(file)
    await write(file)
  })

  it('stays closed when it is damaged, says where, and can be stopped', async () => {
    const bytes = readFileSync(path)
    bytes.fill(0xa5, 4096 * 10, 4096 * 30)
    writeFileSync(path, bytes)
    const file = open()
    const started = file.start()
    const says = /damaged: t: |malformed/
    while (!says.test(file.database.refusal() ?? '')) await new Promise(setImmediate)
    await expect(read(file)).rejects.toThrow(says)
    file.abandon()
    await started
    await expect(read(file)).rejects.toThrow(says)
  })

  it('is checked again when it could not be read, and is not called damaged', async () => {
    const real = openSqliteReader(path)
    let failures = 1
    const reader: DatabaseReader = {
      close: () => real.close(),
      read(script) {
        if (failures === 0) return real.read(script)
        failures -= 1
        return Promise.reject(new DatabaseUnavailableError('disk I/O error'))
      },
    }
    const file = open(reader)
    const started = file.start()
    await until(
      () => file.database.refusal()?.includes('disk I/O error') === true,
      5_000,
      'the try',
    )
    expect(file.database.refusal()).toContain('could not be checked')
    clock.advance(1_000)
    await started
    expect(file.database.refusal()).toBeUndefined()
  })

  it('ends a check that is under way when the process is to stop', async () => {
    const reader: DatabaseReader = {
      read: () => new Promise(() => undefined),
      close: () => Promise.resolve(),
    }
    const file = open(reader)
    const started = file.start()
    file.abandon()
    await started
    await expect(write(file)).rejects.toThrow('not checked yet')
  })
})

describe('a database file under a running process', () => {
  const tableOf: readonly (readonly [string, () => void, string])[] = [
    [
      'is removed',
      () => {
        rmSync(path)
      },
      'removed or moved',
    ],
    [
      'is moved away',
      () => {
        renameSync(path, `${path}.old`)
      },
      'removed or moved',
    ],
    [
      'is replaced by another',
      () => {
        replaceByRename()
      },
      'replaced by another',
    ],
    [
      'is overwritten by a shorter one',
      () => {
        truncateSync(path, 8_192)
      },
      'overwritten',
    ],
    [
      'loses its -wal',
      () => {
        rmSync(`${path}-wal`)
      },
      '-wal',
    ],
  ]

  function replaceByRename(): void {
    copyFileSync(path, `${path}.copy`)
    renameSync(`${path}.copy`, path)
  }

  it.each(tableOf)(
    'F35: that %s is told of no commit, and of nothing else within half a second',
    async (_title, harm, says) => {
      const [writing, idle] = [open(), open()]
      for (const each of [writing, idle]) {
        await each.start()
        await write(each)
      }
      harm()
      await expect(write(writing)).rejects.toThrow(says)
      await expect(read(writing)).rejects.toThrow(says)
      clock.advance(500)
      await expect(read(idle)).rejects.toThrow(says)
      clock.advance(60_000)
      await expect(read(idle)).rejects.toThrow(DatabaseUnavailableError)
    },
  )

  it('F35: that is overwritten by a copy of itself is noticed within half a second', async () => {
    const file = open()
    await file.start()
    await write(file)
    const copy = join(folder.path, 'copy.db')
    const snapshot = openSnapshot(path)
    await snapshot.copyTo(copy)
    snapshot.close()
    copyFileSync(copy, path)
    clock.advance(500)
    await expect(read(file)).rejects.toThrow('overwritten')
  })

  it('that grows, and whose -wal is written and folded in, is the same', async () => {
    const file = open()
    await file.start()
    const other = new Sqlite(path)
    for (let round = 0; round < 3; round += 1) {
      await write(file)
      other.exec(`insert into t select hex(randomblob(500)) from t limit 2000`)
      other.pragma('wal_checkpoint(truncate)')
      clock.advance(500)
      await read(file)
    }
    other.close()
  })
})
