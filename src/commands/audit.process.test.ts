import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Sqlite } from '../db/sqlite/driver.ts'
import { createTemporaryFolder, type TemporaryFolder } from '../../test/support/temporary-folder.ts'
import {
  openPaymentFixture,
  orderOf,
  type PaymentFixture,
} from '../../test/support/payment-fixture.ts'

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

const environment = { PATH: process.env['PATH'] }
const commandOn = (provider: string): readonly string[] => [
  '--import',
  'tsx',
  script,
  '--database',
  fixture.path,
  '--provider',
  provider,
]

function audit(...options: readonly string[]) {
  const command = [...commandOn(fixture.ledgerPath), ...options]
  const { status, stdout, stderr } = spawnSync(process.execPath, command, {
    encoding: 'utf8',
    env: environment,
  })
  return { status, stdout, stderr }
}

/**
 * Runs the audit as a child process, because the provider is in this process and must be free to
 * answer.
 */
async function auditWith(provider: string) {
  const child = spawn(process.execPath, commandOn(provider), { env: environment })
  const [stdout] = await Promise.all([text(child.stdout), once(child, 'exit')])
  return { status: child.exitCode, stdout }
}

describe('npm run audit', () => {
  it('exits with 0 when both books hold, and says so line by line', () => {
    const { status, stdout } = audit()
    expect(status).toBe(0)
    expect(stdout.match(/^holds +I\d+ /gm)).toHaveLength(15)
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

  it('exits with 1 when something is violated, although the provider then fell silent', async () => {
    const money = { invoiceId: 'i1', amountMinor: 1_999, currency: 'EUR', capturedAt: 0 }
    const page = { captured: [{ paymentId: '0', ...money }], next: '0', voidsOfCaptured: 0 }
    const server = createServer(({ url }, response) => {
      response.statusCode = url === '/ledger?after=' ? 200 : 503
      response.end(JSON.stringify(page))
    })
    await once(server.listen(0, '127.0.0.1'), 'listening')
    const { port } = server.address() as AddressInfo
    const said = await auditWith(`http://127.0.0.1:${port}`)
    server.close()
    expect(said).toMatchObject({ status: 1 })
    expect(said.stdout).toContain('captured_there_not_paid_here')
    expect(said.stdout).toMatch(/^UNCHECKED I12 at the provider/m)
  })

  it('exits with 2 when it cannot check', () => {
    for (const path of [join(folder.path, 'missing.db'), folder.path]) {
      const says = (what: string) =>
        expect.stringContaining(`there is no ${what} at ${path}`) as string
      expect(audit('--database', path)).toMatchObject({ status: 2, stderr: says('database') })
      expect(audit('--provider', path)).toMatchObject({
        status: 2,
        stderr: says("provider's ledger"),
      })
    }
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
