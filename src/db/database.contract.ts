import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createStallMeter } from '../../test/support/stall-meter.ts'
import {
  all,
  DatabaseUnavailableError,
  first,
  one,
  run,
  type Database,
  type Script,
} from './database.ts'

/**
 * The databases under test. Every adapter of the port passes these tests, through the port alone.
 */
export interface DatabaseUnderTest {
  /** An empty database without tables. */
  readonly database: Database
  /** A second connection to the same data, as another process has it. */
  readonly other: Database
  /** Both wait this long for a lock, ms. It is short, because the tests wait for it. */
  readonly lockTimeoutMs: number
  /** Keeps every other writer out until the returned function is called. */
  holdWriteLock(): () => void
  /** Adds one to counter `a` at once, as another process may do during a read. */
  incrementBehindOurBack(): void
  close(): Promise<void>
}

/** The event loop turns every 2 ms while it waits for a lock; one that is held does not turn at all. */
const turnsMin = 5

const createCounters = `create table counters (name text primary key, value integer not null)`
const insertCounter = `insert into counters (name, value) values (?, ?) returning name`
const readCounter = `select value from counters where name = ?`
const increment = `update counters set value = value + 1 where name = ? returning value`

export function describeDatabase(name: string, open: () => Promise<DatabaseUnderTest>): void {
  describe(`database contract: ${name}`, () => {
    let subject: DatabaseUnderTest
    let database: Database
    let other: Database

    beforeEach(async () => {
      subject = await open()
      ;({ database, other } = subject)
      await database.transaction(function* () {
        yield* run(createCounters)
        yield* run(insertCounter, 'a', 0)
      })
    })

    afterEach(() => subject.close())

    const valueOf = (counter: string, of = database): Promise<number | undefined> =>
      of.read(function* () {
        return (yield* first<{ value: number }>(readCounter, counter))?.value
      })

    function* incrementA(): Script<number> {
      return (yield* one<{ value: number }>(increment, 'a')).value
    }

    describe('one transaction', () => {
      it('gives back what the script returns, its rows included', async () => {
        const rows = await database.transaction(() =>
          all<{ name: string }>(`${insertCounter}, value as "valueNow"`, 'b', 7),
        )
        expect(rows).toEqual([{ name: 'b', valueNow: 7 }])
      })

      it('is seen by everybody once it has resolved', async () => {
        await database.transaction(incrementA)
        expect(await valueOf('a', other)).toBe(1)
      })

      it('leaves nothing behind when the script throws, and says the same error', async () => {
        const error = new Error('changed my mind')
        const failing = database.transaction(function* () {
          yield* incrementA()
          yield* run(insertCounter, 'b', 1)
          throw error
        })
        await expect(failing).rejects.toBe(error)
        expect(await valueOf('a')).toBe(0)
        expect(await valueOf('b')).toBeUndefined()
      })

      it('leaves nothing behind when a statement fails', async () => {
        const failing = database.transaction(function* () {
          yield* incrementA()
          yield* run(insertCounter, 'a', 1)
        })
        await expect(failing).rejects.toThrow(/unique/i)
        expect(await valueOf('a')).toBe(0)
        expect(await database.transaction(incrementA)).toBe(1)
      })

      it('takes values as parameters, never as SQL', async () => {
        const hostile = `'); drop table counters; --`
        await database.transaction(() => run(insertCounter, hostile, 3))
        expect(await valueOf(hostile)).toBe(3)
        expect(await valueOf('a')).toBe(0)
      })

      it('carries null, the largest safe integer and any text unchanged', async () => {
        const text = 'żółw 🐢 " \' \\ \n'
        const row = await database.read(() =>
          one('select ? as "none", ? as number, ? as text', null, Number.MAX_SAFE_INTEGER, text),
        )
        expect(row).toEqual({ none: null, number: Number.MAX_SAFE_INTEGER, text })
      })

      it('says which statement gave no row when one was due', async () => {
        const missing = database.read(() => one(readCounter, 'missing'))
        await expect(missing).rejects.toThrow(/no row: select value from counters/)
      })
    })

    describe('reading', () => {
      it('never sees a half-done transaction', async () => {
        await database.transaction(() => run(insertCounter, 'b', 0))
        const both = `select a.value as a, b.value as b from counters a, counters b
          where a.name = 'a' and b.name = 'b'`
        const writes = Array.from({ length: 100 }, () =>
          database.transaction(function* () {
            yield* run(increment, 'a')
            yield* run(increment, 'b')
          }),
        )
        const reads = Array.from({ length: 100 }, () =>
          other.read(() => one<{ a: number; b: number }>(both)),
        )
        for (const { a, b } of await Promise.all(reads)) expect(a).toBe(b)
        await Promise.all(writes)
        expect(await valueOf('b')).toBe(100)
      })

      it('sees one snapshot over all statements of its script', async () => {
        const seen = await database.read(function* () {
          const before = yield* one(readCounter, 'a')
          subject.incrementBehindOurBack()
          const after = yield* one(readCounter, 'a')
          return [before, after]
        })
        expect(seen).toEqual([{ value: 0 }, { value: 0 }])
        expect(await valueOf('a')).toBe(1)
      })

      it('does not wait for a writer', async () => {
        const release = subject.holdWriteLock()
        expect(await valueOf('a')).toBe(0)
        release()
      })
    })

    describe('several writers', () => {
      it('loses no increment of many transactions at once', async () => {
        const values = await Promise.all(
          Array.from({ length: 200 }, () => database.transaction(incrementA)),
        )
        expect([...values].sort((a, b) => a - b)).toEqual(values.map((_, index) => index + 1))
      })

      it('loses no increment of two connections', async () => {
        const writers = Array.from({ length: 100 }, () => [
          database.transaction(incrementA),
          other.transaction(incrementA),
        ])
        await Promise.all(writers.flat())
        expect(await valueOf('a')).toBe(200)
      })

      it('waits for a lock held elsewhere without holding the event loop', async () => {
        const release = subject.holdWriteLock()
        const stall = createStallMeter()
        let resolved = 0
        const writes = Array.from({ length: 20 }, () =>
          database.transaction(incrementA).then(() => (resolved += 1)),
        )
        await stall.ticks(turnsMin)
        expect(resolved).toBe(0)
        release()
        await Promise.all(writes)
        expect(await valueOf('a')).toBe(20)
        stall.stop()
      })

      it('gives up after the deadline as unavailable, having written nothing', async () => {
        const release = subject.holdWriteLock()
        const stall = createStallMeter()
        const before = performance.now()
        await expect(database.transaction(incrementA)).rejects.toThrow(DatabaseUnavailableError)
        const waited = performance.now() - before
        expect(stall.turns()).toBeGreaterThan(turnsMin)
        stall.stop()
        release()
        expect(waited).toBeGreaterThanOrEqual(subject.lockTimeoutMs - 5)
        expect(await valueOf('a')).toBe(0)
        expect(await database.transaction(incrementA)).toBe(1)
      })
    })

    describe('closing', () => {
      it('waits for the transactions that were waiting, and keeps what they wrote', async () => {
        const release = subject.holdWriteLock()
        const writes = Array.from({ length: 5 }, () => database.transaction(incrementA))
        const closed = database.close()
        release()
        await Promise.all([...writes, closed])
        expect(await valueOf('a', other)).toBe(5)
      })

      it('answers as unavailable afterwards, and closing again is harmless', async () => {
        await database.close()
        await database.close()
        await expect(database.transaction(incrementA)).rejects.toThrow(DatabaseUnavailableError)
        await expect(valueOf('a')).rejects.toThrow(DatabaseUnavailableError)
        expect(await valueOf('a', other)).toBe(0)
      })
    })
  })
}
