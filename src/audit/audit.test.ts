import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createAudit, unviolated, type AuditReport } from './audit.ts'
import { systemClock } from '../clock.ts'
import {
  openPaymentFixture,
  orderOf,
  type PaymentFixture,
} from '../../test/support/payment-fixture.ts'
import type { Offer } from '../../test/support/sale-fixture.ts'
import type { ProviderBooks } from './compare-ledgers.ts'
import { ProviderUnavailableError } from '../payments/provider.ts'

let fixture: PaymentFixture
let offer: Offer

beforeEach(async () => {
  fixture = await openPaymentFixture()
  offer = await fixture.sale({ stock: 10 })
})

afterEach(() => fixture.close())

const audit = (): Promise<AuditReport> => createAudit(fixture)()
const moneyOf = ({ invariants }: AuditReport) =>
  invariants.filter(({ id }) => id === 'I12' || id === 'I13')
const problemsIn = (report: AuditReport) =>
  moneyOf(report).flatMap(({ examples }) => examples.map((example) => example['problem']))

/** Makes a payment that is paid here and captured at the provider. */
async function paid() {
  const payment = await fixture.pay(await fixture.invoice(await fixture.user(), offer))
  await fixture.settlement.settle(orderOf(payment))
  return payment
}

/** Makes a payment that the provider has captured and the program does not know of yet. */
async function arrived() {
  const invoiceId = await fixture.invoice(await fixture.user(), offer)
  const payment = await fixture.pay(invoiceId, { method: 'pm_push' })
  await fixture.settlement.settle(orderOf(payment))
  await fixture.provider.arrive(payment.id)
  return payment
}

const silent = () => Promise.reject(new ProviderUnavailableError('nobody there'))

function silentAfterOnePage(): ProviderBooks {
  const { find, readLedger } = fixture.provider
  return {
    find,
    async readLedger(after) {
      if (after !== '') return silent()
      const page = await readLedger(after)
      const captured = page.captured.slice(0, 1)
      return { ...page, captured, next: captured[0]?.paymentId }
    },
  }
}

/** Makes a provider that takes `ms` for every `find`. */
function slow(ms: number): ProviderBooks {
  return {
    ...fixture.provider,
    find(paymentId) {
      fixture.clock.advance(ms)
      return fixture.provider.find(paymentId)
    },
  }
}

/** Makes a payment that is authorised at the provider and paid here, but not captured yet. */
async function paidThereToo(on: Offer): Promise<void> {
  const { payment } = await fixture.paid(await fixture.user(), on)
  await fixture.provider.authorize(orderOf(payment))
}

/** Runs a statement that the schema forbids, then moves the clock beyond the minute of grace. */
function corrupt(statement: string): void {
  const raw = fixture.openRaw()
  raw.pragma('ignore_check_constraints = on')
  raw.exec(`drop trigger if exists payments_captured_for_ever;
    drop trigger if exists invoices_paid_for_ever`)
  expect(raw.prepare(statement).run().changes).toBe(1)
  fixture.clock.advance(60_000)
}

describe('the audit of both books', () => {
  it('finds nothing wrong with paid, declined, pending, voided and open payments', async () => {
    await paid()
    for (const method of ['pm_declined', 'pm_push', 'pm_answer_lost']) {
      const payment = await fixture.pay(await fixture.invoice(await fixture.user(), offer), {
        method,
      })
      await fixture.settlement.settle(orderOf(payment)).catch(() => undefined)
    }
    const report = await audit()
    expect(report).toMatchObject({ holds: true, unchecked: [], strays: [] })
    expect(report.checkedAt).toBe(fixture.clock.now())
  })

  it('finds money there that pays nothing here, and names it for the worker', async () => {
    const payment = await paid()
    corrupt(`update payments set status = 'voided'`)
    const report = await audit()
    expect(report).toMatchObject({ holds: false, strays: [{ paymentId: payment.id }] })
    expect(moneyOf(report)[0]?.examples).toContainEqual(
      expect.objectContaining({ problem: 'captured_there_not_paid_here', paymentId: payment.id }),
    )
  })

  it('gives a push payment a minute to be heard of', async () => {
    const payment = await arrived()
    fixture.clock.advance(59_999)
    expect(await audit()).toMatchObject({ holds: true, strays: [] })
    fixture.clock.advance(1)
    expect(await audit()).toMatchObject({ holds: false, strays: [{ paymentId: payment.id }] })
    await fixture.settlement.learn(payment.id)
    expect(await audit()).toMatchObject({ holds: true })
  })

  it('finds what is captured here and not there', async () => {
    const { payment } = await fixture.paid(await fixture.user(), offer)
    corrupt(`update payments set status = 'captured'`)
    expect(moneyOf(await audit())[0]).toMatchObject({
      violations: 1,
      examples: [{ problem: 'captured_here_not_there', paymentId: payment.id }],
    })
  })

  it('finds another amount', async () => {
    await paid()
    corrupt(`update payments set amount_minor = amount_minor + 1`)
    expect(problemsIn(await audit())).toContain('other_amount_or_invoice')
  })

  it('finds other money set aside for an attempt that it keeps open, a minute after it was due', async () => {
    const invoiceId = await fixture.invoice(await fixture.user(), offer)
    const payment = await fixture.pay(invoiceId, { method: 'pm_answer_lost' })
    const order = { ...orderOf(payment), amountMinor: payment.amountMinor + 1 }
    await expect(fixture.provider.authorize(order)).rejects.toThrow(ProviderUnavailableError)
    await expect(fixture.settlement.learn(payment.id)).rejects.toThrow('another amount')
    fixture.clock.advance(359_999)
    expect(await audit()).toMatchObject({ holds: true, unchecked: [] })
    fixture.clock.advance(1)
    expect(moneyOf(await audit())[0]).toMatchObject({
      violations: 1,
      examples: [{ problem: 'other_amount_or_invoice', paymentId: payment.id }],
    })
  })

  it('finds stranded money the provider never heard of', async () => {
    const { payment } = await fixture.paid(await fixture.user(), offer)
    fixture.openRaw().exec(
      `insert into payments (id, invoice_id, user_id, idempotency_key, method, amount_minor, currency,
           status, stranded_at, stranded_reason, created_at, updated_at)
         select 'unheard', invoice_id, user_id, 'k', method, amount_minor, currency,
           'stranded', 1, 'paid_already', 1, 1 from payments`,
    )
    await fixture.provider.authorize(orderOf(payment))
    expect(moneyOf(await audit())[0]).toMatchObject({
      violations: 1,
      examples: [{ problem: 'stranded_here_unknown_there', paymentId: 'unheard' }],
    })
  })

  it('gives late money an hour to be placed after its invoice ended', async () => {
    const payment = await arrived()
    const endedAt = fixture.clock.now()
    corrupt(`update payments set status = 'late'`)
    corrupt(`update invoices set status = 'paid', paid_at = ${endedAt}`)
    fixture.clock.advance(endedAt + 3_599_999 - fixture.clock.now())
    expect(await audit()).toMatchObject({ strays: [] })
    fixture.clock.advance(1)
    expect(await audit()).toMatchObject({ holds: false, strays: [{ paymentId: payment.id }] })
  })

  it('finds a paid invoice whose money was given up there', async () => {
    const { payment } = await fixture.paid(await fixture.user(), offer)
    await fixture.provider.authorize(orderOf(payment))
    await fixture.provider.void(payment.id)
    fixture.clock.advance(60_000)
    expect(moneyOf(await audit())[0]?.examples).toMatchObject([
      { problem: 'paid_here_not_to_be_captured_there', paymentId: payment.id },
    ])
  })

  it('finds that somebody tried to void what was captured', async () => {
    const payment = await paid()
    await expect(fixture.provider.void(payment.id)).rejects.toThrow('captured')
    expect(moneyOf(await audit())[1]).toMatchObject({ id: 'I13', violations: 1 })
  })

  it('compares more than one page', async () => {
    const payments = [await paid(), await paid(), await paid()]
    const pages: string[] = []
    const provider = {
      find: fixture.provider.find,
      async readLedger(after = '') {
        pages.push(after)
        const page = await fixture.provider.readLedger(after)
        const captured = page.captured.slice(0, 1)
        return { ...page, captured, next: captured[0]?.paymentId }
      },
    }
    expect(await createAudit({ ...fixture, provider })()).toMatchObject({ holds: true })
    expect(pages).toEqual(['', ...payments.map(({ id }) => id)])
    corrupt(`update payments set status = 'voided' where id = '${payments[1]!.id}'`)
    expect(await createAudit({ ...fixture, provider })()).toMatchObject({
      strays: [{ paymentId: payments[1]!.id }],
    })
  })

  it('says what it could not check while the provider is silent', async () => {
    const provider = { find: silent, readLedger: silent }
    const report = await createAudit({ ...fixture, provider })()
    expect(report.unchecked).toEqual(['I12 and I13 at the provider: nobody there'])
    expect(report.uncheckedIds).toEqual(['I12', 'I13'])
    expect(report.invariants.map(({ id }) => id)).toContain('I16')
  })

  it('reads no ledger that repeats itself for longer than one page', async () => {
    let pages = 0
    const provider: ProviderBooks = {
      find: fixture.provider.find,
      readLedger() {
        pages += 1
        return Promise.resolve({ captured: [], next: pages > 1 ? 'a' : 'b', voidsOfCaptured: 0 })
      },
    }
    const report = await createAudit({ ...fixture, provider })()
    expect(report.unchecked).toEqual(['I12 at the provider: its ledger repeats itself'])
    expect(pages).toBe(2)
  })

  it('keeps what it found before the provider fell silent', async () => {
    const payment = await arrived()
    await paid()
    fixture.clock.advance(60_000)
    const report = await createAudit({ ...fixture, provider: silentAfterOnePage() })()
    expect(report).toMatchObject({
      holds: false,
      strays: [{ paymentId: payment.id }],
      unchecked: ['I12 at the provider: nobody there'],
      uncheckedIds: ['I12'],
    })
    expect(problemsIn(report)).toContain('captured_there_not_paid_here')
  })

  it('keeps what it found before the provider fell silent about single payments', async () => {
    await paid()
    await fixture.paid(await fixture.user(), offer)
    corrupt(`update payments set amount_minor = amount_minor + 1 where status = 'captured'`)
    const provider = { ...fixture.provider, find: silent }
    const report = await createAudit({ ...fixture, provider })()
    expect(report.unchecked).toEqual(['I12 at the provider: nobody there'])
    expect(problemsIn(report)).toContain('other_amount_or_invoice')
  })

  it('ends when its time is over, and says what is missing', async () => {
    const clock = { ...systemClock, now: fixture.clock.now }
    const report = await createAudit({ ...fixture, clock, budgetMs: 0 })()
    expect(report.invariants).toEqual([])
    const database = unviolated().map(({ id }) => `${id}: out of time`)
    const expected = [...database, 'I12 and I13 at the provider: out of time']
    expect(report.unchecked).toEqual(expected)
  })

  it.each(['authorized', 'captured'])(
    'asks a slow provider for no payment (%s here) when the time is over',
    async (status) => {
      for (let i = 0; i < 10; i += 1) await fixture.paid(await fixture.user(), offer)
      fixture.openRaw().exec(`update payments set status = '${status}'`)
      fixture.clock.advance(60_000)
      const startedAt = fixture.clock.monotonic()
      const report = await createAudit({ ...fixture, provider: slow(300), budgetMs: 1_000 })()
      expect(fixture.clock.monotonic() - startedAt).toBe(1_200)
      expect(report.unchecked).toEqual(['I12 at the provider: out of time'])
      expect(moneyOf(report)[0]).toMatchObject({ id: 'I12', violations: 4 })
    },
  )

  it('says so when more payments are not captured yet than it asks for', async () => {
    const large = await fixture.sale({ stock: 51 })
    for (let i = 0; i < 50; i += 1) await paidThereToo(large)
    fixture.clock.advance(60_000)
    expect(await audit()).toMatchObject({ holds: true, unchecked: [] })
    await paidThereToo(large)
    fixture.clock.advance(60_000)
    expect(await audit()).toMatchObject({
      holds: true,
      uncheckedIds: ['I12'],
      unchecked: ['I12 at the provider: only 50 of the payments not captured yet were asked for'],
    })
  })

  it('runs once for all who ask meanwhile', async () => {
    const run = createAudit(fixture)
    const [first, second] = await Promise.all([run(), run()])
    expect(first).toBe(second)
    expect(await run()).not.toBe(first)
  })
})
