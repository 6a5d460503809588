import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  openPaymentFixture,
  orderOf,
  type PaymentFixture,
} from '../../test/support/payment-fixture.ts'
import { runToEnd, type Finished } from '../../test/support/run-command.ts'
import { createTemporaryFolder, type TemporaryFolder } from '../../test/support/temporary-folder.ts'
import { until } from '../../test/support/until.ts'
import { readRows } from '../../test/support/cluster.ts'
import { Sqlite } from '../db/sqlite/driver.ts'

const script = fileURLToPath(new URL('../../dist/commands/backup.js', import.meta.url))

let fixture: PaymentFixture
let folder: TemporaryFolder
let copy: string

beforeEach(async () => {
  folder = createTemporaryFolder()
  copy = join(folder.path, 'copy.db')
  fixture = await openPaymentFixture()
  const offer = await fixture.sale({ stock: 3 })
  const payment = await fixture.pay(await fixture.invoice(await fixture.user(), offer))
  await fixture.settlement.settle(orderOf(payment))
})
afterEach(async () => {
  await fixture.close()
  folder.remove()
})

const command = (...flags: readonly string[]): readonly string[] => [script, ...flags]
const environment = () => ({
  DATABASE_PATH: fixture.path,
  PAYMENT_SIMULATOR_PATH: fixture.ledgerPath,
})

function backup(...flags: readonly string[]): Promise<Finished> {
  const options = { cwd: folder.path, environment: environment() }
  return runToEnd(process.execPath, command(...flags), options)
}

/** Makes the database some 30 MB large, which is several steps of a copy. */
function fill(): void {
  const raw = fixture.openRaw()
  const insert = raw.prepare(`
    insert into admin_actions (route, details, outcome, request_id, address, created_at)
    values ('POST /', ?, 'done', 'r', '', 0)`)
  raw.transaction(() => {
    for (let count = 0; count < 1_500; count += 1) insert.run('x'.repeat(20_000))
  })()
}

/** Commits over and over in a process of its own, and says each on standard output. */
function startWriter() {
  const source = `
    const Sqlite = require(${JSON.stringify(driver)})
    const connection = new Sqlite(process.argv[1], { timeout: 5000 })
    const write = connection.prepare('update flash_sales set name = ?')
    let count = 0
    setInterval(() => { write.run('name ' + (count += 1)); console.log(count) }, 5)`
  const child = spawn(process.execPath, ['-e', source, fixture.path], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  return { child, begun: once(child.stdout, 'data') }
}

const driver = fileURLToPath(new URL('../../node_modules/better-sqlite3', import.meta.url))

describe('npm run backup', () => {
  it('copies both books while others write without a pause, readable by their owner alone', async () => {
    fill()
    const writer = startWriter()
    await writer.begun
    try {
      const { code, stdout, stderr } = await backup('--to', copy)
      expect([code, stderr]).toEqual([0, ''])
      expect(stdout).toContain('quick_check and audit passed')
    } finally {
      writer.child.kill('SIGKILL')
      await once(writer.child, 'exit')
    }
    expect(readdirSync(folder.path).sort()).toEqual(['copy.db', 'copy.db.payment-simulator'])
    for (const each of readdirSync(folder.path)) {
      expect(statSync(join(folder.path, each)).mode & 0o777).toBe(0o600)
    }
    expect(readRows(copy, `select status from payments`)).toEqual([{ status: 'captured' }])
    const captured = `select count(*) as count from payments where status = 'captured'`
    expect(readRows(`${copy}.payment-simulator`, captured)).toEqual([{ count: 1 }])
  })

  it('overwrites nothing unless it is told to', async () => {
    writeFileSync(copy, 'precious')
    const refused = await backup('--to', copy)
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('--force') as string })
    expect(readFileSync(copy, 'utf8')).toBe('precious')
    expect((await backup('--to', copy, '--force')).code).toBe(0)
    expect(readRows(copy, 'select count(*) as count from invoices')).toEqual([{ count: 1 }])
  })

  it('that is killed leaves no backup, and the next one removes what it left', async () => {
    fill()
    const child = spawn(process.execPath, command('--to', copy), {
      cwd: folder.path,
      env: { PATH: process.env['PATH'], ...environment() },
      stdio: 'ignore',
    })
    const gone = once(child, 'exit')
    const isCopying = () => readdirSync(folder.path).some((name) => name.includes('.part'))
    await until(isCopying, 60_000, 'a part of the copy', 1)
    child.kill('SIGKILL')
    await gone
    expect(existsSync(copy)).toBe(false)
    expect(isCopying()).toBe(true)
    expect((await backup('--to', copy)).code).toBe(0)
    expect(readdirSync(folder.path).sort()).toEqual(['copy.db', 'copy.db.payment-simulator'])
  })

  it('says what is wrong when the copy cannot be written, and leaves nothing', async () => {
    fill()
    const line = `ulimit -f 4000; exec "$0" "$@"`
    const options = { cwd: folder.path, environment: environment() }
    const shell = ['-c', line, process.execPath, ...command('--to', copy)]
    const { code, stderr } = await runToEnd('sh', shell, options)
    expect(code).toBe(1)
    expect(stderr).toMatch(/cannot be written: SQLITE_(FULL|IOERR)/)
    expect(readdirSync(folder.path)).toEqual([])
  })

  it('gives no name to a copy that violates an invariant', async () => {
    fixture.openRaw().exec('update stock set available = available - 1, held = held + 1')
    const { code, stderr } = await backup('--to', copy)
    expect([code, stderr]).toEqual([3, expect.stringContaining('violates I3')])
    expect(readdirSync(folder.path)).toEqual([])
  })

  it('copies no file that is missing or no database, and none onto itself', async () => {
    const wrong = join(folder.path, 'wrong.db')
    writeFileSync(wrong, 'no database at all, but long enough to be read as one'.repeat(20))
    const options = { cwd: folder.path, environment: { ...environment(), DATABASE_PATH: wrong } }
    const broken = await runToEnd(process.execPath, command('--to', copy), options)
    expect(broken).toMatchObject({ code: 1, stderr: expect.stringContaining('NOTADB') as string })
    expect((await backup('--to', fixture.path, '--force')).code).toBe(1)
    expect((await backup()).code).toBe(2)
    expect((await backup('--help')).stdout).toContain('Usage: npm run backup')
    const raw = new Sqlite(fixture.path, { readonly: true })
    expect(raw.pragma('quick_check', { simple: true })).toBe('ok')
    raw.close()
  })
})
