import { join } from 'node:path'
import Sqlite from 'better-sqlite3'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createAudit } from './audit.ts'
import { systemClock } from './clock.ts'
import { openSqliteReader } from './db/sqlite-reader.ts'
import { createHttpProvider } from './payments/http-provider.ts'
import { readStock } from './testing/expectations.ts'
import {
  findFreePort,
  startPaymentSimulator,
  type SimulatorProcess,
} from './testing/payment-simulator.ts'
import { createSale, type TestSale, type TestShopper } from './testing/sale.ts'
import { invoiced, pay } from './testing/shopping.ts'
import { testAdminToken } from './testing/start-app.ts'
import { startProcess, untilReady, type TestProcess } from './testing/start-process.ts'
import { createTemporaryFolder, type TemporaryFolder } from './testing/temporary-folder.ts'
import { createRandom, pick } from './testing/turns.ts'
import { until } from './testing/until.ts'

/** F16: the program and the provider as two processes, and two sets of books that must agree. */
const webhookSecret = 'webhook-secret-of-the-tests-0123456789'
/** Answers are waited for 5 s, attempts are taken up after 15 s, in rounds of 5 s. */
const resolvedMs = 45_000

let folder: TemporaryFolder
let port: number
let simulator: SimulatorProcess
let shop: TestProcess
let databasePath: string
let ledgerPath: string

beforeEach(async () => {
  folder = createTemporaryFolder()
  databasePath = join(folder.path, 'holdfast.db')
  ledgerPath = join(folder.path, 'provider.db')
  port = await findFreePort()
  const webhookUrl = `http://127.0.0.1:${port}/v1/webhooks/payments`
  simulator = await startPaymentSimulator({ path: ledgerPath, webhookUrl, webhookSecret })
  shop = await startShop()
})

afterEach(async () => {
  await expectBooksAgree()
  await shop.stop()
  await simulator.stop()
  folder.remove()
})

async function startShop(): Promise<TestProcess> {
  const started = await startProcess({
    PORT: String(port),
    DATABASE_PATH: databasePath,
    PAYMENT_PROVIDER_URL: simulator.url,
    PAYMENT_WEBHOOK_SECRET: webhookSecret,
    LOG_LEVEL: 'error',
  })
  await untilReady(started)
  return started
}

async function killAndRestart(): Promise<void> {
  await shop.kill()
  shop = await startShop()
}

interface Buyer {
  readonly shopper: TestShopper
  readonly invoiceId: string
  readonly method: string
  /** The status of the answer to pay; 0 when the process was gone. */
  readonly told: number
}

async function buy(sale: TestSale, method: string): Promise<Buyer> {
  const { shopper, invoiceId } = await invoiced(shop.call, sale)
  return payAs({ shopper, invoiceId, method, told: 0 })
}

async function payAs(buyer: Buyer): Promise<Buyer> {
  const { shopper, invoiceId, method } = buyer
  const answer = await pay(shop.call, shopper, invoiceId, { method }).catch(() => undefined)
  return { ...buyer, told: answer?.status ?? 0 }
}

async function statusOf({ shopper, invoiceId }: Buyer): Promise<string> {
  const { body } = await shop.call('GET', `/v1/invoices/${invoiceId}`, { token: shopper.token })
  return (body as unknown as { readonly status: string }).status
}

function query<T>(path: string, sql: string, ...values: readonly string[]): readonly T[] {
  const connection = new Sqlite(path, { readonly: true })
  try {
    return connection.prepare<string[], T>(sql).all(...values)
  } finally {
    connection.close()
  }
}

function paymentOf({ invoiceId }: Buyer): { readonly id: string; readonly status: string } {
  const sql = 'select id, status from payments where invoice_id = ? order by created_at desc'
  const [payment] = query<{ id: string; status: string }>(databasePath, sql, invoiceId)
  if (payment === undefined) throw new Error(`nobody paid ${invoiceId}`)
  return payment
}

/** Nothing is under way any more: every attempt has ended, every capture is confirmed. */
async function untilSettled(): Promise<void> {
  const open = `select id from payments where status in ('authorizing', 'authorized', 'late')`
  await until(() => query(databasePath, open).length === 0, resolvedMs, 'the end of all', 100)
}

/** I8, I12, I13, from both sets of books, past the program. */
async function expectBooksAgree(): Promise<void> {
  const database = openSqliteReader(databasePath)
  const provider = createHttpProvider({ url: simulator.url, clock: systemClock })
  const report = await createAudit({ database, provider, clock: systemClock })()
  await database.close()
  expect(report.invariants.filter(({ violations }) => violations > 0)).toEqual([])
  expect(report.unchecked).toEqual([])
  const paid = `
    select i.id || ' ' || i.total_minor from invoices i where i.status = 'paid' order by 1`
  const captured = `
    select invoice_id || ' ' || amount_minor from payments where status = 'captured' order by 1`
  const stranded = `
    select i.id || ' ' || p.amount_minor from payments p join invoices i on i.id = p.invoice_id
    where p.status = 'stranded'`
  const both = [...query(databasePath, paid), ...query(databasePath, stranded)]
  const values = (rows: readonly unknown[]) => rows.flatMap((row) => Object.values(row as object))
  expect(values(query(ledgerPath, captured)).sort()).toEqual(values(both).sort())
}

describe('F16: a provider that misbehaves', () => {
  it('is asked, never guessed at: who authorised is paid, who did not is not', async () => {
    const sale = await createSale(shop.call, { stock: 20 })
    await simulator.switch({ webhookCopies: 2, webhookOrder: 'reversed', webhooksForged: true })
    const paid = ['pm_ok', 'pm_slow', 'pm_timeout_after', 'pm_answer_lost', 'pm_answers_twice']
    const captures = ['pm_capture_late', 'pm_capture_answer_lost']
    const unpaid = ['pm_declined', 'pm_timeout_before', 'pm_nonsense']
    const methods = [...paid, ...captures, ...unpaid]
    const buyers = await Promise.all(methods.map((method) => buy(sale, method)))
    await untilSettled()
    const ended = await Promise.all(
      buyers.map(async (buyer) => `${buyer.method} ${await statusOf(buyer)}`),
    )
    expect(ended.sort()).toEqual(
      [
        ...[...paid, ...captures].map((method) => `${method} paid`),
        ...unpaid.map((method) => `${method} unpaid`),
      ].sort(),
    )
    expect(await readStock(shop.call, sale.productId)).toMatchObject({ sold: 7, held: 3 })
    const told = Object.fromEntries(buyers.map(({ method, told }) => [method, told]))
    expect(told).toMatchObject({ pm_ok: 200, pm_answers_twice: 200, pm_declined: 402 })
    expect(told).toMatchObject({ pm_timeout_before: 202 })
  })

  it('is down while invoices expire: their units stay until it confirms the void; late money then pays again or needs a person', async () => {
    const sale = await createSale(shop.call, { stock: 2, holdSeconds: 2 })
    const lucky = await buy(sale, 'pm_push')
    const unlucky = await buy(sale, 'pm_push')
    expect([lucky.told, unlucky.told]).toEqual([202, 202])
    await simulator.switch({ down: true })
    const tries = () =>
      query<{ n: number }>(
        databasePath,
        `select count(*) as n from payments where updated_at > created_at`,
      )[0]?.n
    await until(() => tries() === 2, resolvedMs, 'a round of the resolver', 100)
    expect([await statusOf(lucky), await statusOf(unlucky)]).toEqual(['paying', 'paying'])
    expect(await readStock(shop.call, sale.productId)).toMatchObject({ held: 2, available: 0 })

    await simulator.switch({ down: false })
    const isOver = async () =>
      (await statusOf(lucky)) === 'expired' && (await statusOf(unlucky)) === 'expired'
    await until(isOver, resolvedMs, 'the end of both invoices', 100)
    expect(await simulator.statusOf(paymentOf(lucky).id)).toBe('voided')
    expect(await readStock(shop.call, sale.productId)).toMatchObject({ held: 0, available: 2 })

    await buy(sale, 'pm_ok')
    await simulator.arrive(paymentOf(lucky).id)
    await until(async () => (await statusOf(lucky)) === 'paid', 10_000, 'late money paying', 50)
    await simulator.arrive(paymentOf(unlucky).id)
    const needsOne = async () => (await statusOf(unlucky)) === 'needs_attention'
    await until(needsOne, 10_000, 'a call for a person', 50)
    expect(await readStock(shop.call, sale.productId)).toMatchObject({ sold: 2, available: 0 })
    const { body } = await shop.call('GET', '/v1/admin/attention', { token: testAdminToken })
    expect(body).toMatchObject({
      items: [{ invoiceId: unlucky.invoiceId, reason: 'sold_out', amountMinor: 4_999 }],
    })
    expect(await simulator.statusOf(paymentOf(unlucky).id)).toBe('captured')
  })
})

describe('F16: the program is killed', () => {
  it('after the authorisation, after paid, and after the capture: everybody ends paid, captured once', async () => {
    const sale = await createSale(shop.call, { stock: 10 })
    await simulator.switch({ webhooksHeld: true })
    const told = await buy(sale, 'pm_ok')
    const authorized = buy(sale, 'pm_timeout_after')
    const paid = await buy(sale, 'pm_capture_late')
    const captured = await buy(sale, 'pm_capture_answer_lost')
    const isAuthorized = () =>
      query(
        ledgerPath,
        `select payment_id from payments where status = 'authorized' and method = 'pm_timeout_after'`,
      ).length === 1
    await until(isAuthorized, 5_000, 'the authorisation', 20)
    expect([told.told, paid.told, captured.told]).toEqual([200, 200, 200])
    expect(paymentOf(captured).status).toBe('authorized')
    await killAndRestart()
    const all = [told, await authorized, paid, captured]
    await untilSettled()
    for (const buyer of all) {
      expect([buyer.method, await statusOf(buyer)]).toEqual([buyer.method, 'paid'])
      expect(await simulator.statusOf(paymentOf(buyer).id)).toBe('captured')
    }
    expect(await readStock(shop.call, sale.productId)).toMatchObject({ sold: 4, held: 0 })
    await simulator.switch({ webhooksHeld: false })
  })

  it('again and again at any moment: who was told paid is paid, and the books agree', async () => {
    const seed = Number(process.env['SEED'] ?? 20_261_212)
    console.log(`seed ${seed}`)
    const random = createRandom(seed)
    const sale = await createSale(shop.call, { stock: 100 })
    const methods = ['pm_ok', 'pm_ok', 'pm_answer_lost', 'pm_capture_late', 'pm_declined'] as const
    const buyers: Buyer[] = []
    for (let round = 0; round < 5; round += 1) {
      const ready = await Promise.all(Array.from({ length: 8 }, () => invoiced(shop.call, sale)))
      const paying = ready.map((each) => payAs({ ...each, method: pick(random, methods), told: 0 }))
      await new Promise((resolve) => setTimeout(resolve, random() * 60))
      await killAndRestart()
      buyers.push(...(await Promise.all(paying)))
    }
    await untilSettled()
    const toldPaid = buyers.filter(({ told }) => told === 200)
    for (const buyer of toldPaid) expect(await statusOf(buyer)).toBe('paid')
    expect(buyers.filter(({ told }) => told === 0).length).toBeGreaterThan(0)
  })
})
