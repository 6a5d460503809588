import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '../clock.ts'
import { Sqlite, type SqliteDatabase } from '../sqlite/driver.ts'
import { createTemporaryFolder, type TemporaryFolder } from '../testing/temporary-folder.ts'
import { createSimulatedProvider, type SimulatedProvider } from './simulated.ts'
import { openLedgerFile } from './simulated-ledger.ts'

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

/** Since the log was emptied: a frame that ends a commit says how large the file is then, the others 0. */
function commits(): number {
  const log = readFileSync(`${path}-wal`)
  const frameBytes = 24 + log.readUInt32BE(8)
  let count = 0
  for (let at = 32; at < log.length; at += frameBytes) if (log.readUInt32BE(at + 4) > 0) count += 1
  return count
}

const authorize = (paymentId: string) =>
  provider.authorize({
    ...{ paymentId, invoiceId: `invoice of ${paymentId}`, amountMinor: 500, currency: 'EUR' },
    method: 'pm_ok',
  })
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
