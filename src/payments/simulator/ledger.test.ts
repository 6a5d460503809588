import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '../../clock.ts'
import { Sqlite, type SqliteDatabase } from '../../db/sqlite/driver.ts'
import {
  createTemporaryFolder,
  type TemporaryFolder,
} from '../../../test/support/temporary-folder.ts'
import { ProviderUnavailableError } from '../provider.ts'
import { createSimulatedProvider, type SimulatedProvider } from './simulated-provider.ts'
import { openLedgerFile, type LedgerFile } from './ledger.ts'

let folder: TemporaryFolder
let path: string
let provider: SimulatedProvider
let beside: SqliteDatabase

beforeEach(async () => {
  folder = createTemporaryFolder()
  path = join(folder.path, 'ledger.db')
  provider = createSimulatedProvider({ path, clock: systemClock, random: () => 0.5 })
  await provider.start()
  beside = new Sqlite(path)
  beside.pragma('wal_checkpoint(truncate)')
})

afterEach(async () => {
  beside.close()
  await provider.stop()
  folder.remove()
})

/**
 * Counts the commits in the log: the frame that ends a commit has the size of the file, others have
 * 0.
 */
function commits(): number {
  const log = readFileSync(`${path}-wal`)
  const frameBytes = 24 + log.readUInt32BE(8)
  let count = 0
  for (let at = 32; at < log.length; at += frameBytes) if (log.readUInt32BE(at + 4) > 0) count += 1
  return count
}

const authorize = (paymentId: string) =>
  provider.authorize({
    paymentId,
    invoiceId: `invoice of ${paymentId}`,
    amountMinor: 500,
    currency: 'EUR',
    method: 'pm_ok',
  })
const operations = () =>
  beside
    .prepare(`select payment_id || ' ' || operation || ' ' || result from operations`)
    .pluck()
    .all()
const ids = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']
const statuses = () =>
  beside.prepare(`select payment_id || ' ' || status from payments order by payment_id`).pluck()

describe('calls of one tick', () => {
  it('share a commit, and each is answered after it', async () => {
    const seen = ids.map((id) => authorize(id).then(() => statuses().all()))
    const all = ids.map((id) => `${id} authorized`)
    expect(await Promise.all(seen)).toEqual(ids.map(() => all))
    expect(commits()).toBe(1)

    await Promise.all([...ids.slice(1).map(provider.capture), provider.void('a')])
    expect(statuses().all()).toEqual(['a voided', ...ids.slice(1).map((id) => `${id} captured`)])
    expect(commits()).toBe(2)
  })

  it('one after the other, have one each', async () => {
    for (const id of ids) await authorize(id)
    expect(commits()).toBe(ids.length)
  })

  it('fail alone, and leave nothing of themselves', async () => {
    const file = await openLedgerFile({ path, clock: systemClock, random: () => 0.5 })
    const insert = (id: string, fail = (): void => undefined) =>
      file.write(({ run }) => {
        run(
          `insert into payments (payment_id, status, created_at, updated_at) values (?, 'voided', 1, 1)`,
          id,
        )
        fail()
      })
    const error = new Error('half way')
    const outcomes = await Promise.allSettled([
      insert('a'),
      insert('b', () => {
        throw error
      }),
      insert('c'),
    ])
    await file.close()
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    expect(outcomes[1]).toMatchObject({ reason: error })
    expect(statuses().all()).toEqual(['a voided', 'c voided'])
  })
})

describe('the ledger file', () => {
  let file: LedgerFile

  beforeEach(async () => {
    file = await openLedgerFile({ path, clock: systemClock, random: () => 0.5 })
  })

  afterEach(async () => {
    await file.close()
  })

  it('writes through to the disk: synchronous is still FULL after a read', async () => {
    const read = await file.read(({ all }) => [
      all('select count(*) as payments from payments'),
      all('pragma synchronous'),
      all('pragma journal_mode'),
    ])
    expect(read).toEqual([[{ payments: 0 }], [{ synchronous: 2 }], [{ journal_mode: 'wal' }]])
  })

  it('keeps nothing of a write that fails half way', async () => {
    const failing = file.write(({ run }) => {
      run(`insert into operations values (null, 'a', 'void', 'voided', 1)`)
      throw new Error('half way')
    })
    await expect(failing).rejects.toThrow('half way')
    expect(operations()).toEqual([])
  })

  it('on a full disk gives no answer and keeps nothing', async () => {
    const failing = file.write(({ all, run }) => {
      all('pragma max_page_count = 1')
      run(`
        with recursive counted (n) as (select 1 union all select n + 1 from counted where n < 1000)
        insert into operations select null, 'payment ' || n, 'void', 'voided', 1 from counted`)
    })
    await expect(failing).rejects.toThrow(ProviderUnavailableError)
    expect(operations()).toEqual([])
  })
})

describe('what is written in the ledger', () => {
  it.each([
    [`update operations set result = 'unchanged'`, 'append-only'],
    [`delete from operations`, 'append-only'],
    [`replace into operations values (1, 'a', 'void', 'voided', 1)`, 'append-only'],
    [`insert into operations values (null, 'a', 'refund', 'refunded', 1)`, 'CHECK'],
    [`insert into operations values (null, 'a', 'capture', 'captured', 1)`, 'UNIQUE'],
    [`update payments set status = 'voided'`, 'final'],
    [`update payments set status = 'authorized'`, 'final'],
    [`delete from payments`, 'never deleted'],
  ])('lets nobody %s', async (text, reason) => {
    await authorize('a')
    await provider.capture('a')
    expect(() => beside.exec(text)).toThrow(reason)
    expect(operations()).toEqual(['a authorize authorized', 'a capture captured'])
  })

  it('lets nobody change what was ordered', async () => {
    await authorize('a')
    expect(() => beside.exec('update payments set amount_minor = 1')).toThrow('never changes')
  })
})
