import { join } from 'node:path'
import type { Payment } from '../../src/domain/payment.ts'
import { createLogger } from '../../src/logger.ts'
import { createPaymentSettlement, type PaymentSettlement } from '../../src/payments/pay.ts'
import {
  ProviderUnavailableError,
  type PaymentOrder,
  type PaymentProvider,
} from '../../src/payments/provider.ts'
import {
  createSimulatedProvider,
  type SimulatedProvider,
} from '../../src/payments/simulator/simulated-provider.ts'
import { Sqlite, type SqliteDatabase } from '../../src/db/sqlite/driver.ts'
import { openSaleFixture, type SaleFixture } from './sale-fixture.ts'
import { createTemporaryFolder } from './temporary-folder.ts'

/** A sale whose payments go to the real simulator; the test may replace single calls. */
export interface PaymentFixture extends SaleFixture {
  /** The simulator itself, without replaced calls. */
  readonly provider: SimulatedProvider
  /** The provider of the program: the simulator, except for the calls in `overrides`. */
  readonly unruly: PaymentProvider
  readonly overrides: Partial<{
    -readonly [method in keyof PaymentProvider]: PaymentProvider[method]
  }>
  readonly settlement: PaymentSettlement
  /** The simulator's file. */
  readonly ledgerPath: string
  /** Reads the operations that the simulator recorded, as `payment operation result`. */
  operations(): readonly string[]
  /** Returns the contradictions between our database and the provider's ledger. */
  disagreements(): Promise<readonly string[]>
}

export const silentLogger = createLogger('silent', {})

export function orderOf(payment: Payment): PaymentOrder {
  const { id: paymentId, invoiceId, amountMinor, currency, method } = payment
  return { paymentId, invoiceId, amountMinor, currency, method }
}

/** Waits until the provider has acted and then loses its answer. */
export async function loseAnswer(done: Promise<unknown>): Promise<never> {
  await done
  throw new ProviderUnavailableError('the answer was lost')
}

/** Loses a call before it reaches the provider. */
export function loseCall(): Promise<never> {
  return Promise.reject(new ProviderUnavailableError('the call was lost'))
}

export async function openPaymentFixture(): Promise<PaymentFixture> {
  const base = await openSaleFixture()
  const { database, clock, newId } = base
  const folder = createTemporaryFolder()
  const path = join(folder.path, 'payment-simulator.db')
  const provider = createSimulatedProvider({ path, clock, random: () => 0.5 })
  await provider.start()
  const books = new Sqlite(path, { readonly: true })
  const overrides: PaymentFixture['overrides'] = {}
  const unruly: PaymentProvider = {
    authorize: (order) => (overrides.authorize ?? provider.authorize)(order),
    capture: (paymentId) => (overrides.capture ?? provider.capture)(paymentId),
    void: (paymentId) => (overrides.void ?? provider.void)(paymentId),
    find: (paymentId) => (overrides.find ?? provider.find)(paymentId),
  }
  const parts = { database, provider: unruly, clock, newId, logger: silentLogger }

  return {
    ...base,
    provider,
    unruly,
    overrides,
    ledgerPath: path,
    settlement: createPaymentSettlement(parts),
    operations: () => readOperations(books),
    disagreements: async () => compare(await base.rows<OurPayment>(selectOurs), books),
    async close() {
      books.close()
      await provider.stop()
      folder.remove()
      await base.close()
    },
  }
}

function readOperations(books: SqliteDatabase): readonly string[] {
  const text = `
    select payment_id || ' ' || operation || ' ' || result from operations order by operation_id`
  return books.prepare<[], string>(text).pluck().all()
}

interface OurPayment {
  readonly id: string
  readonly invoiceId: string
  readonly status: string
  readonly method: string
  readonly invoiceStatus: string
  readonly amountMinor: number
}

const selectOurs = `
  select p.id, p.invoice_id as "invoiceId", p.status, p.method, i.status as "invoiceStatus",
    p.amount_minor as "amountMinor"
  from payments p join invoices i on i.id = p.invoice_id`

interface CapturedRow {
  readonly id: string
  readonly invoiceId: string
  readonly amountMinor: number
}

const selectCaptured = `
  select payment_id as id, invoice_id as "invoiceId", amount_minor as "amountMinor"
  from payments where status = 'captured'`
const selectVoided = `select distinct payment_id from operations where operation = 'void'`

/**
 * Checks that each capture has one paid invoice and the reverse, and that no paying attempt was
 * voided.
 */
function compare(ours: readonly OurPayment[], books: SqliteDatabase): readonly string[] {
  const captured = books.prepare<[], CapturedRow>(selectCaptured).all()
  const voided = new Set(books.prepare<[], string>(selectVoided).pluck().all())
  const capturedById = new Map(captured.map((each) => [each.id, each]))
  const oursById = new Map(ours.map((each) => [each.id, each]))
  const found: string[] = []
  const invoices = new Set<string>()
  for (const { id, invoiceId, amountMinor } of captured) {
    const our = oursById.get(id)
    const agreed = our?.invoiceId === invoiceId && our.amountMinor === amountMinor
    // Stranded money is on the attention list, so it needs no paid invoice.
    if (agreed && our.status === 'stranded') continue
    if (!agreed || our.invoiceStatus !== 'paid') found.push(`${id} captured, invoice not paid`)
    if (invoices.has(invoiceId)) found.push(`invoice ${invoiceId} captured twice`)
    invoices.add(invoiceId)
  }
  for (const { id, status, invoiceStatus, method, amountMinor } of ours) {
    if (status === 'captured' && amountMinor > 0 && !capturedById.has(id))
      found.push(`${id} not captured there`)
    const pays = invoiceStatus === 'paid' && (status === 'authorized' || status === 'captured')
    // A push payment may come after its void.
    if (pays && voided.has(id) && method !== 'pm_push') found.push(`${id} pays and was voided`)
  }
  return found
}
