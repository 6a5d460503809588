import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createFakeClock, type FakeClock } from '../../../test/support/fake-clock.ts'
import {
  createTemporaryFolder,
  type TemporaryFolder,
} from '../../../test/support/temporary-folder.ts'
import { all, DatabaseUnavailableError, run, type Database } from '../database.ts'
import { openSqlite } from './sqlite-database.ts'
import { Sqlite, type SqliteDatabase } from './driver.ts'
import { createGroupCommit } from './group-commit.ts'

describe('transactions asked for in one tick', () => {
  let folder: TemporaryFolder
  let clock: FakeClock
  let database: Database
  let raw: SqliteDatabase
  let statements: number

  beforeEach(async () => {
    folder = createTemporaryFolder()
    const path = join(folder.path, 'test.db')
    clock = createFakeClock()
    statements = 0
    const onStatements = (count: number): void => void (statements += count)
    database = openSqlite({ path, clock, random: () => 0.5, onStatements })
    raw = new Sqlite(path)
    await database.transaction(() => run('create table t (a integer unique, b blob)'))
    raw.pragma('wal_checkpoint(truncate)')
    statements = 0
  })

  afterEach(async () => {
    raw.close()
    await database.close()
    folder.remove()
  })

  const insert = (a: number) => database.transaction(() => run('insert into t (a) values (?)', a))
  const rows = () => raw.prepare('select a from t order by a').pluck().all()

  /** Counts the pages written since the last checkpoint: each commit writes at least one. */
  function framesWritten(): number {
    const [row] = raw.pragma('wal_checkpoint(passive)') as [{ readonly log: number }]
    return row.log
  }

  it('are written to the disk once', async () => {
    await insert(0)
    const alone = framesWritten()
    raw.pragma('wal_checkpoint(truncate)')
    await Promise.all([1, 2, 3, 4, 5, 6, 7, 8].map(insert))
    expect(framesWritten()).toBe(alone)
    expect(rows()).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8])
  })

  it('resolve only after the commit of all', async () => {
    const seen = [1, 2, 3].map((a) => insert(a).then(rows))
    expect(await Promise.all(seen)).toEqual([
      [1, 2, 3],
      [1, 2, 3],
      [1, 2, 3],
    ])
  })

  it('fail alone, and leave nothing of themselves', async () => {
    const error = new Error('changed my mind')
    const outcomes = await Promise.allSettled([
      insert(1),
      database.transaction(function* () {
        yield* run('insert into t (a) values (2)')
        throw error
      }),
      database.transaction(function* () {
        yield* run('insert into t (a) values (3)')
        yield* run('insert into t (a) values (1)')
      }),
      insert(4),
    ])
    expect(outcomes.map(({ status }) => status)).toEqual([
      'fulfilled',
      'rejected',
      'rejected',
      'fulfilled',
    ])
    expect(outcomes[1]).toMatchObject({ reason: error })
    expect(rows()).toEqual([1, 4])
  })

  it('are all unavailable when the disk is full for one, and nothing of them remains', async () => {
    await database.read(() => all('pragma max_page_count = 10'))
    const big = () => run('insert into t (a, b) values (2, zeroblob(1000000))')
    const outcomes = await Promise.allSettled([insert(1), database.transaction(big), insert(3)])
    const reasons = outcomes.map((each) =>
      each.status === 'rejected' ? (each.reason as unknown) : each,
    )
    expect(reasons[0]).toBeInstanceOf(DatabaseUnavailableError)
    expect(reasons[1]).toBeInstanceOf(DatabaseUnavailableError)
    expect(outcomes[2].status).toBe('fulfilled')
    expect(rows()).toEqual([3])
  })

  it('leave the event loop to others after a while', async () => {
    let others = 0
    const slow = () =>
      database.transaction(function* () {
        yield* run('insert into t (b) values (null)')
        clock.advance(6)
        return others
      })
    const first = [slow(), slow(), slow()]
    setImmediate(() => (others = 1))
    expect(await Promise.all(first)).toEqual([0, 0, 1])
  })

  it('are counted by their statements', async () => {
    await Promise.all([insert(1), insert(2)])
    await database.read(() => all('select 1'))
    expect(statements).toBe(3)
  })
})

describe('a group that cannot be begun or committed', () => {
  const failure = new Error('the disk is gone')

  function open(failing: 'begin' | 'commit') {
    const calls: string[] = []
    const call = (name: string) => (): void => {
      calls.push(name)
      if (name === failing) throw failure
    }
    const [begin, commit, rollback] = [call('begin'), call('commit'), call('rollback')]
    const [savepoint, release, undo] = [call('savepoint'), call('release'), call('undo')]
    const group = createGroupCommit({
      connection: {
        begin,
        commit,
        rollback,
        savepoint,
        release,
        undo,
        inTransaction: () => true,
        isBusy: () => false,
        isUnavailable: (error) => error === failure,
        unavailable: () => new DatabaseUnavailableError('no disk'),
      },
      clock: createFakeClock(),
      random: () => 0.5,
      defer: setImmediate,
      lockTimeoutMs: 1,
    })
    return { calls, group }
  }

  it.each(['begin', 'commit'] as const)('tells everybody in it: %s', async (failing) => {
    const { calls, group } = open(failing)
    const outcomes = await Promise.allSettled([1, 2].map((each) => group.transaction(() => each)))
    for (const each of outcomes) {
      expect(each).toMatchObject({ status: 'rejected', reason: { message: 'no disk' } })
    }
    expect(calls.includes('rollback')).toBe(failing === 'commit')
    await group.idle()
  })

  it('tells a hundred at a time, and lets the event loop turn in between', async () => {
    const { group } = open('begin')
    let told = 0
    const toldByTurn: number[] = []
    const all = Array.from({ length: 250 }, () =>
      group.transaction(() => undefined).catch(() => (told += 1)),
    )
    while (told < all.length) {
      await new Promise(setImmediate)
      toldByTurn.push(told)
    }
    const steps = toldByTurn.map((count, turn) => count - (toldByTurn[turn - 1] ?? 0))
    expect(Math.max(...steps)).toBe(100)
    await group.idle()
  })
})
