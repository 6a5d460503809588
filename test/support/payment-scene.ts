import { join } from 'node:path'
import { createAudit } from '../../src/audit/audit.ts'
import { systemClock } from '../../src/clock.ts'
import type { Row } from '../../src/db/database.ts'
import { openSqliteReader } from '../../src/db/sqlite/sqlite-reader.ts'
import { createHttpProvider } from '../../src/payments/http/http-provider.ts'
import { Sqlite } from '../../src/db/sqlite/driver.ts'
import { startPaymentSimulator, type SimulatorProcess } from './payment-simulator.ts'
import { findFreePort } from './processes/free-port.ts'
import type { TestSale, TestShopper } from './sale.ts'
import { invoiced, pay } from './shopping.ts'
import { startProcess, untilReady, type TestProcess } from './start-process.ts'
import { createTemporaryFolder } from './temporary-folder.ts'
import { until } from './until.ts'

/** The program and the payment provider as two processes, with access to both ledgers. */
export interface PaymentScene {
  readonly simulator: SimulatorProcess
  /** Returns the process that runs now. */
  shop(): TestProcess
  /** Kills the program, calls `meanwhile`, and starts it again on the same files and port. */
  killAndRestart(meanwhile?: () => void): Promise<void>
  /** Lets a new shopper hold, check out and pay. */
  buy(sale: TestSale, method: string): Promise<Buyer>
  pay(buyer: Buyer): Promise<Buyer>
  statusOf(buyer: Buyer): Promise<string>
  /** Reads the newest attempt of the buyer. */
  paymentOf(buyer: Buyer): { readonly id: string; readonly status: string }
  query(of: 'shop' | 'provider', sql: string, ...values: readonly string[]): readonly Row[]
  /** Waits until no attempt is under way and every capture is confirmed. */
  untilSettled(): Promise<void>
  /**
   * Returns the contradictions between both ledgers (I8, I12, I13) and all findings of the audit.
   */
  disagreements(): Promise<readonly unknown[]>
  close(): Promise<void>
}

export interface Buyer {
  readonly shopper: TestShopper
  readonly invoiceId: string
  readonly method: string
  /** The status of the answer to pay; 0 when there was none. */
  readonly told: number
}

/** A call may take 5 s, and the resolver takes attempts up after 15 s, in rounds of 5 s. */
export const resolvedMs = 60_000
const webhookSecret = 'webhook-secret-of-the-tests-0123456789'

/**
 * Starts both processes. `shopFolder` is the folder of the program's database, not of the
 * provider's ledger.
 */
export async function openPaymentScene(shopFolder?: string): Promise<PaymentScene> {
  const folder = createTemporaryFolder()
  const paths = {
    shop: join(shopFolder ?? folder.path, 'holdfast.db'),
    provider: join(folder.path, 'provider.db'),
  }
  const port = await findFreePort()
  const webhookUrl = `http://127.0.0.1:${port}/v1/webhooks/payments`
  const places = { path: paths.provider, webhookUrl, webhookSecret }
  const simulator = await startPaymentSimulator(places)
  let shop = await startShop()

  async function startShop(): Promise<TestProcess> {
    const started = await startProcess({
      PORT: String(port),
      DATABASE_PATH: paths.shop,
      PAYMENT_PROVIDER_URL: simulator.url,
      PAYMENT_WEBHOOK_SECRET: webhookSecret,
      LOG_LEVEL: 'error',
    })
    await untilReady(started)
    return started
  }

  async function payAs(buyer: Buyer): Promise<Buyer> {
    const { shopper, invoiceId, method } = buyer
    const answer = await pay(shop.call, shopper, invoiceId, { method }).catch(() => undefined)
    return { ...buyer, told: answer?.status ?? 0 }
  }

  const query: PaymentScene['query'] = (of, sql, ...values) => readRows(paths[of], sql, values)

  return {
    simulator,
    query,
    pay: payAs,
    shop: () => shop,
    async killAndRestart(meanwhile) {
      await shop.kill()
      meanwhile?.()
      shop = await startShop()
    },
    async buy(sale, method) {
      const { shopper, invoiceId } = await invoiced(shop.call, sale)
      return payAs({ shopper, invoiceId, method, told: 0 })
    },
    async statusOf({ shopper, invoiceId }) {
      const { body } = await shop.call('GET', `/v1/invoices/${invoiceId}`, { token: shopper.token })
      return (body as unknown as { readonly status: string }).status
    },
    paymentOf({ invoiceId }) {
      const sql = 'select id, status from payments where invoice_id = ? order by created_at desc'
      const [payment] = query('shop', sql, invoiceId)
      if (payment === undefined) throw new Error(`nobody paid ${invoiceId}`)
      return { id: String(payment['id']), status: String(payment['status']) }
    },
    untilSettled() {
      const open = `select id from payments where status in ('authorizing', 'authorized', 'late')`
      return until(() => query('shop', open).length === 0, resolvedMs, 'the end of all', 100)
    },
    disagreements: async () => [
      ...(await auditFindings(paths.shop, simulator.url)),
      ...compareCaptures(query),
    ],
    async close() {
      await shop.stop()
      await simulator.stop()
      folder.remove()
    },
  }
}

function readRows(path: string, sql: string, values: readonly string[]): readonly Row[] {
  const connection = new Sqlite(path, { readonly: true })
  try {
    return connection.prepare<string[], Row>(sql).all(...values)
  } finally {
    connection.close()
  }
}

async function auditFindings(path: string, url: string): Promise<readonly unknown[]> {
  const database = openSqliteReader(path)
  const provider = createHttpProvider({ url, clock: systemClock })
  try {
    const report = await createAudit({ database, provider, clock: systemClock })()
    return [...report.invariants.filter(({ violations }) => violations > 0), ...report.unchecked]
  } finally {
    await database.close()
  }
}

const payments = `from payments p join invoices i on i.id = p.invoice_id`
const oursAccountedFor = `
  select i.id || ' ' || i.total_minor as line ${payments}
  where i.status = 'paid' and p.status in ('authorized', 'captured') and p.amount_minor > 0
  union all
  select i.id || ' ' || p.amount_minor ${payments} where p.status = 'stranded'`
const theirsCaptured = `
  select invoice_id || ' ' || amount_minor as line from payments where status = 'captured'`

/** Compares each capture with its invoice and amount, without code of the program. */
function compareCaptures(query: PaymentScene['query']): readonly string[] {
  const lines = (rows: readonly Row[]) => rows.map(({ line }) => String(line)).sort()
  const [ours, theirs] = [query('shop', oursAccountedFor), query('provider', theirsCaptured)]
  const [here, there] = [lines(ours).join('\n'), lines(theirs).join('\n')]
  return here === there ? [] : [`here:\n${here}\nthere:\n${there}`]
}
