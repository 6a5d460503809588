import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createAudit } from '../audit/audit.ts'
import type { Clock } from '../clock.ts'
import { closeAttention, listAttention } from '../db/attention.ts'
import type { Database } from '../db/database.ts'
import { expireInvoices } from '../db/expiry.ts'
import { createLogger } from '../logger.ts'
import { createMetrics, type Metrics } from '../metrics.ts'
import type { ProviderBooks } from '../audit/compare-ledgers.ts'
import {
  loseCall,
  openPaymentFixture,
  orderOf,
  type PaymentFixture,
} from '../../test/support/payment-fixture.ts'
import { countStatements } from '../../test/support/statement-counter.ts'
import { createAuditStock } from './audit-stock.ts'

const logger = createLogger('silent', {})

let fixture: PaymentFixture
let metrics: Metrics

beforeEach(async () => {
  fixture = await openPaymentFixture()
  metrics = createMetrics()
})

afterEach(() => fixture.close())

async function violations(): Promise<Readonly<Record<string, number>>> {
  const { values } = await metrics.invariantViolations.get()
  return Object.fromEntries(
    values.map(({ labels, value }) => [String(labels.invariant), value] as const),
  )
}

function createAuditOf(
  database: Database,
  clock: Clock,
  provider: ProviderBooks = fixture.provider,
) {
  const { settlement } = fixture
  const audit = createAudit({ database, provider, clock: fixture.clock })
  return createAuditStock({ database, reader: database, audit, settlement, clock, metrics, logger })
}

describe('the audit by the clock', () => {
  it('shows zero for every invariant that holds, and the units by state', async () => {
    const offer = await fixture.sale({ stock: 10 })
    await fixture.hold(await fixture.user(), offer, 3)
    await fixture.paid(await fixture.user(), offer, 2)
    await createAuditOf(fixture.database, fixture.clock)()
    const shown = await violations()
    expect(Object.keys(shown)).toEqual(expect.arrayContaining(['I1', 'I2', 'I3', 'I4', 'I16']))
    expect(Object.values(shown).every((count) => count === 0)).toBe(true)
    const units = (await metrics.units.get()).values.map(({ labels, value }) => [
      labels.state,
      value,
    ])
    expect(Object.fromEntries(units)).toEqual({ available: 5, held: 3, sold: 2 })
  })

  it('shows how many rows break an invariant, and zero again when they are mended', async () => {
    const offer = await fixture.sale({ stock: 10 })
    await fixture.hold(await fixture.user(), offer)
    const audit = createAuditOf(fixture.database, fixture.clock)
    const raw = fixture.openRaw()
    raw.exec('update stock set held = 0, available = 10')
    await audit()
    expect(await violations()).toMatchObject({ I1: 0, I2: 0, I3: 1, I4: 1 })
    raw.exec('update stock set held = 1, available = 9')
    await audit()
    expect(await violations()).toMatchObject({ I3: 0, I4: 0 })
  })

  it('takes no violation back because the provider is silent, and adds what else is found', async () => {
    const offer = await fixture.sale({ stock: 10 })
    const payment = await fixture.pay(await fixture.invoice(await fixture.user(), offer))
    await fixture.settlement.settle(orderOf(payment))
    await expect(fixture.provider.void(payment.id)).rejects.toThrow('captured')
    const raw = fixture.openRaw()
    raw.exec('drop trigger payments_captured_for_ever; drop trigger invoices_paid_for_ever')
    raw.exec('update payments set amount_minor = amount_minor + 1')
    let isSilent = false
    const provider: ProviderBooks = {
      find: fixture.provider.find,
      readLedger: (after) => (isSilent ? loseCall() : fixture.provider.readLedger(after)),
    }
    const audit = createAuditOf(fixture.database, fixture.clock, provider)
    await audit()
    expect(await violations()).toMatchObject({ I12: 2, I13: 1 })

    isSilent = true
    raw.exec('update payments set amount_minor = amount_minor - 1')
    raw.exec('update stock set held = 1, available = available - 1')
    await audit()
    expect(await violations()).toMatchObject({ I12: 2, I13: 1, I3: 1 })

    isSilent = false
    await audit()
    expect(await violations()).toMatchObject({ I12: 0, I13: 1 })
  })

  it('rests a hundred times as long as it took, so that a large database is not read all day', async () => {
    const { database, texts } = countStatements(fixture.database)
    // Every reading moves this clock by 10 ms.
    const clock: Clock = {
      ...fixture.clock,
      monotonic() {
        fixture.clock.advance(10)
        return fixture.clock.monotonic()
      },
    }
    const audit = createAuditOf(database, clock)
    await audit()
    const once = texts.length
    await audit()
    expect(texts).toHaveLength(once)
    fixture.clock.advance(2_000)
    await audit()
    expect(texts).toHaveLength(2 * once)
  })

  it('shows zero for every invariant before the first audit', async () => {
    createAuditOf(fixture.database, fixture.clock)
    const shown = await violations()
    expect(Object.keys(shown)).toHaveLength(15)
    expect(Object.values(shown).every((count) => count === 0)).toBe(true)
  })

  it('shows since when not everything was checked: while it rests, fails, or the provider is silent', async () => {
    const { clock } = fixture
    let database: Pick<Database, 'read'> = fixture.database
    let readLedger: ProviderBooks['readLedger'] = fixture.provider.readLedger
    const audit = createAuditOf(
      { ...fixture.database, read: (script) => database.read(script) },
      clock,
      { find: fixture.provider.find, readLedger: (after) => readLedger(after) },
    )
    const isAged = async (seconds: number) => {
      expect(await metrics.read()).toMatch(`\nholdfast_audit_age_seconds ${seconds}\n`)
    }
    clock.advance(30_000)
    await isAged(30)
    await audit()
    await isAged(0)

    clock.advance(30_000)
    readLedger = loseCall
    await audit()
    await isAged(30)

    clock.advance(30_000)
    readLedger = fixture.provider.readLedger
    database = { read: () => Promise.reject(new Error('the disk is gone')) }
    await expect(audit()).rejects.toThrow('the disk is gone')
    await isAged(60)

    database = fixture.database
    await audit()
    await isAged(0)
  })

  it('looks after money whose webhook was lost, and counts what waits for a person', async () => {
    const offer = await fixture.sale({ stock: 1, holdSeconds: 1 })
    const payment = await fixture.pay(await fixture.invoice(await fixture.user(), offer), {
      method: 'pm_push',
    })
    const { clock, provider, settlement } = fixture
    await settlement.settle(orderOf(payment))
    clock.advance(1_000)
    await settlement.resolve({ ...payment, dueAt: clock.now(), waiting: 0 })
    clock.advance(1_000)
    await fixture.run(expireInvoices(clock.now(), 10))
    const other = await fixture.pay(await fixture.invoice(await fixture.user(), offer))
    await settlement.settle(orderOf(other))
    await provider.arrive(payment.id)
    clock.advance(60_000)
    const audit = createAuditOf(fixture.database, clock)
    await audit()
    expect(await violations()).toMatchObject({ I12: 1 })
    expect(await fixture.status('payments', payment.id)).toBe('stranded')
    expect((await metrics.strandedPayments.get()).values).toMatchObject([{ value: 1 }])
    await audit()
    expect(await violations()).toMatchObject({ I12: 0 })
  })

  describe('a captured payment that this database does not know', () => {
    /** The provider captures a payment that is newer than our copy, as after a restore. */
    async function forget(paymentId = fixture.newId()) {
      const { provider, newId, clock } = fixture
      const money = { invoiceId: newId(), amountMinor: 4_999, currency: 'EUR', method: 'pm_ok' }
      await provider.authorize({ paymentId, ...money })
      await provider.capture(paymentId)
      const since = new Date(clock.now() + 60_000)
      clock.advance(60_000)
      return { paymentId, since: since.getTime() }
    }
    const attention = () => fixture.read(listAttention({ after: '', limit: 10 }))

    it('goes on the attention list once, with nothing that is not known, and is closed by a person', async () => {
      const { paymentId, since } = await forget()
      const audit = createAuditOf(fixture.database, fixture.clock)
      await audit()
      expect(await violations()).toMatchObject({ I12: 1 })
      const unknown = { invoiceId: null, invoiceStatus: null, userId: null, method: null }
      const money = { amountMinor: 4_999, currency: 'EUR' }
      const entry = { paymentId, ...unknown, ...money, reason: 'forgotten', since }
      expect(await attention()).toEqual([entry])
      expect((await metrics.strandedPayments.get()).values).toMatchObject([{ value: 1 }])

      await audit()
      expect(await violations()).toMatchObject({ I12: 0 })
      expect(await attention()).toHaveLength(1)
      const close = (note: string) =>
        fixture.run(closeAttention({ paymentId, note, now: fixture.clock.now() }))
      expect(await close('paid back by hand')).toEqual(entry)
      expect(await close('paid back by hand')).toEqual(entry)
      expect(await close('another word')).toBe('attention_closed')
      expect(await attention()).toEqual([])
      await audit()
      expect(await violations()).toMatchObject({ I12: 0 })
      expect(await attention()).toEqual([])
      expect(await fixture.provider.find(paymentId)).toMatchObject({ status: 'captured' })
    })

    it('is a violation and no entry when its id cannot be one of ours', async () => {
      await forget('pay_of_another_shop')
      const audit = createAuditOf(fixture.database, fixture.clock)
      await audit()
      await audit()
      expect(await violations()).toMatchObject({ I12: 1 })
      expect(await attention()).toEqual([])
    })

    it('is a violation again when the provider changes what it captured', async () => {
      const { paymentId } = await forget()
      const audit = createAuditOf(fixture.database, fixture.clock)
      await audit()
      fixture.openRaw().prepare('update forgotten_captures set amount_minor = 1').run()
      await audit()
      expect(await violations()).toMatchObject({ I12: 1 })
      expect(await attention()).toMatchObject([{ paymentId }])
    })
  })
})
