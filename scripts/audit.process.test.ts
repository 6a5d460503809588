import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Sqlite } from '../src/sqlite/driver.ts'
import { createTemporaryFolder, type TemporaryFolder } from '../src/testing/temporary-folder.ts'
import { openPaymentFixture, orderOf, type PaymentFixture } from '../src/testing/payment-fixture.ts'

const script = fileURLToPath(new URL('./audit.ts', import.meta.url))

let fixture: PaymentFixture
let folder: TemporaryFolder

beforeEach(async () => {
  folder = createTemporaryFolder()
  fixture = await openPaymentFixture()
  const offer = await fixture.sale({ stock: 3 })
  const payment = await fixture.pay(await fixture.invoice(await fixture.user(), offer))
  await fixture.settlement.settle(orderOf(payment))
})
afterEach(async () => {
  await fixture.close()
  folder.remove()
})

function audit(...options: readonly string[]) {
  const places = ['--database', fixture.path, '--provider', fixture.ledgerPath]
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['--import', 'tsx', script, ...places, ...options],
    { encoding: 'utf8', env: { PATH: process.env['PATH'] } },
  )
  return { status, stdout, stderr }
}

describe('npm run audit', () => {
  it('exits with 0 when both books hold, and says so line by line', () => {
    const { status, stdout } = audit()
    expect(status).toBe(0)
    expect(stdout.match(/^holds +I\d+ /gm)).toHaveLength(14)
    const json = JSON.parse(audit('--json').stdout) as { holds: boolean; unchecked: unknown[] }
    expect(json).toMatchObject({ holds: true, unchecked: [] })
  })

  it('exits with 1 when something is violated, with an example', () => {
    fixture.openRaw().exec('update stock set available = available - 1, held = held + 1')
    const { status, stdout } = audit()
    expect(status).toBe(1)
    expect(stdout).toMatch(/^VIOLATED +I3 /m)
    expect(stdout).toContain('"counted_held":0')
  })

  it('exits with 2 when it cannot check', () => {
    expect(audit('--database', join(folder.path, 'missing.db'))).toMatchObject({
      ...{ status: 2, stderr: expect.stringContaining('there is no database') as string },
    })
    const silent = audit('--provider', 'http://127.0.0.1:9')
    expect(silent.status).toBe(2)
    expect(silent.stdout).toMatch(/^UNCHECKED I12 and I13/m)
    expect(audit('--nonsense').status).toBe(2)
  })

  it.each([
    ['create table diary (day text)', 'is not the ledger of a payment simulator'],
    ['pragma application_id = 1212567635; pragma user_version = 1', 'ledger has schema 1, not 2'],
  ])('writes nothing into what is no ledger of today: %s', (statement, sentence) => {
    const path = join(folder.path, 'theirs.db')
    const theirs = new Sqlite(path)
    theirs.exec(statement)
    theirs.close()
    const before = readFileSync(path)
    const { status, stderr } = audit('--provider', path)
    expect([status, stderr]).toEqual([2, expect.stringContaining(sentence)])
    expect(readFileSync(path).equals(before)).toBe(true)
  })
})
