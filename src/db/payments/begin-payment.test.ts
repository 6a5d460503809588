import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  openSaleFixture,
  type Offer,
  type SaleFixture,
} from '../../../test/support/sale-fixture.ts'
import type { Invoice } from '../../domain/invoice.ts'
import { expireInvoices } from '../expiry.ts'
import { cancelInvoice } from '../invoices.ts'
import { beginPayment, type BeginPayment } from './begin-payment.ts'
import { endPayment } from './decline.ts'
import { settleAuthorized } from './settle-authorized.ts'
import { readUnsettled } from './unsettled-payments.ts'

let fixture: SaleFixture
let offer: Offer
let user: number
let invoice: Invoice

beforeEach(async () => {
  fixture = await openSaleFixture()
  offer = await fixture.sale({ stock: 10, holdSeconds: 300 })
  user = await fixture.user()
  invoice = await fixture.invoice(user, offer, 2)
})

afterEach(async () => {
  expect(await fixture.violated()).toEqual([])
  await fixture.close()
})

const now = (): number => fixture.clock.now()
const declined = { status: 'declined', code: 'card_declined' } as const

function begin(changes: Partial<BeginPayment> = {}) {
  const attempt = { paymentId: fixture.newId(), idempotencyKey: fixture.newId(), method: 'pm_ok' }
  const order = { ...attempt, userId: user, invoiceId: invoice.id, now: now(), ...changes }
  return fixture.run(beginPayment(order))
}

describe('beginning to pay', () => {
  it('makes an attempt over the total and stops the clock', async () => {
    const result = await begin({ paymentId: 'p' })
    expect(result).toMatchObject({
      kind: 'begun',
      invoice: { status: 'paying' },
      payment: { id: 'p', status: 'authorizing', amountMinor: invoice.totalMinor, currency: 'EUR' },
    })
    fixture.clock.advance(3_600_000)
    expect(await fixture.run(expireInvoices(now(), 10))).toEqual({ ended: 0, productIds: [] })
    expect(await fixture.stock(offer)).toBe('8/2/0')
  })

  it('is possible until the last millisecond before the due date', async () => {
    fixture.clock.advance(299_999)
    expect(await begin()).toMatchObject({ kind: 'begun' })
  })

  it('is refused at the due date, though nobody has swept yet', async () => {
    fixture.clock.advance(300_000)
    expect(await begin()).toEqual({ kind: 'expired' })
    expect(await fixture.status('invoices', invoice.id)).toBe('unpaid')
  })

  it('is refused while another attempt is under way', async () => {
    await begin()
    expect(await begin()).toEqual({ kind: 'payment_in_progress' })
    expect(await fixture.rows('select id from payments')).toHaveLength(1)
  })

  it('with the same key repeats the attempt as it stands', async () => {
    await begin({ paymentId: 'p', idempotencyKey: 'k' })
    expect(await begin({ idempotencyKey: 'k' })).toMatchObject({
      kind: 'repeated',
      payment: { id: 'p', status: 'authorizing' },
    })
    await fixture.run(endPayment('p', declined, now()))
    expect(await begin({ idempotencyKey: 'k' })).toMatchObject({
      kind: 'repeated',
      payment: { id: 'p', status: 'declined', declineCode: 'card_declined' },
    })
  })

  it('with the same key for something else is refused', async () => {
    await begin({ idempotencyKey: 'k' })
    expect(await begin({ idempotencyKey: 'k', method: 'pm_slow' })).toEqual({ kind: 'key_reused' })
    const other = await fixture.invoice(user, offer)
    expect(await begin({ idempotencyKey: 'k', invoiceId: other.id })).toEqual({
      kind: 'key_reused',
    })
  })

  it('with a key somebody else uses, too, is an attempt of its own', async () => {
    await begin({ idempotencyKey: 'k' })
    const userId = await fixture.user()
    const { id: invoiceId } = await fixture.invoice(userId, offer)
    expect(await begin({ userId, invoiceId, idempotencyKey: 'k' })).toMatchObject({ kind: 'begun' })
  })

  it('of somebody else’s invoice finds nothing', async () => {
    expect(await begin({ userId: await fixture.user() })).toEqual({ kind: 'not_found' })
    expect(await fixture.status('invoices', invoice.id)).toBe('unpaid')
  })

  it('of a paid invoice says so and charges nothing', async () => {
    const payment = await fixture.pay(invoice)
    await fixture.run(settleAuthorized(payment.id, now()))
    expect(await begin()).toMatchObject({
      kind: 'already_paid',
      invoice: { status: 'paid' },
      payment: { id: payment.id },
    })
    expect(await fixture.rows('select id from payments')).toHaveLength(1)
  })

  it('of a cancelled or expired invoice is refused as that', async () => {
    await fixture.run(cancelInvoice(user, invoice.id, now()))
    expect(await begin()).toEqual({ kind: 'cancelled' })
    const { id } = await fixture.invoice(user, offer)
    fixture.clock.advance(300_000)
    await fixture.run(expireInvoices(now(), 10))
    expect(await begin({ invoiceId: id })).toEqual({ kind: 'expired' })
  })

  it('fifty times at once over two connections makes one attempt', async () => {
    const other = fixture.openAgain()
    const results = await Promise.all(
      Array.from({ length: 50 }, (_, index) => {
        const attempt = { paymentId: `p${index}`, idempotencyKey: `k${index % 10}` }
        const order = { ...attempt, userId: user, invoiceId: invoice.id, method: 'pm_ok' }
        const database = index % 2 === 0 ? fixture.database : other
        return database.transaction(() => beginPayment({ ...order, now: now() }))
      }),
    )
    expect(results.filter(({ kind }) => kind === 'begun')).toHaveLength(1)
    expect(await fixture.rows('select id from payments')).toHaveLength(1)
  })

  it('of nothing pays at once, and the key and a second try get the same payment', async () => {
    const gift = await fixture.sale({ priceMinor: 0 })
    const { id: invoiceId } = await fixture.invoice(user, gift, 2)
    const free = await begin({ invoiceId, idempotencyKey: 'k', paymentId: 'p', method: 'pm_none' })
    const payment = { id: 'p', status: 'captured', amountMinor: 0 }
    expect(free).toMatchObject({
      kind: 'nothing_to_pay',
      invoice: { status: 'paid', paidAt: now() },
      payment,
    })
    expect(await fixture.stock(gift)).toBe('8/0/2')
    const again = await begin({ invoiceId, idempotencyKey: 'k', method: 'pm_none' })
    expect(again).toMatchObject({ kind: 'repeated', payment })
    expect(await begin({ invoiceId })).toMatchObject({ kind: 'already_paid', payment })
    const other = await begin({ invoiceId, idempotencyKey: 'k', method: 'pm_ok' })
    expect(other).toEqual({ kind: 'key_reused' })
    expect(await fixture.read(readUnsettled(now(), 10))).toEqual([])
  })

  it('of nothing is refused at the due date, too', async () => {
    const gift = await fixture.sale({ priceMinor: 0 })
    const { id: invoiceId } = await fixture.invoice(user, gift)
    fixture.clock.advance(300_000)
    expect(await begin({ invoiceId })).toEqual({ kind: 'expired' })
  })
})
