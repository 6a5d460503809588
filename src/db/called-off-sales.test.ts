import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openSaleFixture, type Offer, type SaleFixture } from '../../test/support/sale-fixture.ts'
import {
  cancelInvoicesOfCancelled,
  releaseCancelledCartHolds,
  releaseCancelledLines,
} from './called-off-sales.ts'
import type { Script } from './database.ts'
import { expireCartHolds, type Swept } from './expiry.ts'
import { changeFlashSaleState } from './flash-sales.ts'
import { readInvoice, readInvoiceAtCheckout } from './invoices.ts'
import { beginPayment } from './payments/begin-payment.ts'
import { endPayment } from './payments/decline.ts'
import { settleAuthorized } from './payments/settle-authorized.ts'

let fixture: SaleFixture
let offer: Offer
let user: number

beforeEach(async () => {
  fixture = await openSaleFixture()
  offer = await fixture.sale({ stock: 10, holdSeconds: 300 })
  user = await fixture.user()
})

afterEach(async () => {
  expect(await fixture.violated()).toEqual([])
  await fixture.close()
})

const now = (): number => fixture.clock.now()
const nothing: Swept = { ended: 0, productIds: [] }

function sweep(script: (now: number, limit: number) => Script<Swept>, limit = 10): Promise<Swept> {
  return fixture.run(script(now(), limit))
}

const cancelSale = ({ flashSaleId }: Offer) =>
  fixture.run(changeFlashSaleState(flashSaleId, 'cancelled', now()))

describe('a cancelled sale', () => {
  it('gives the holds in carts back, and only its own', async () => {
    const other = await fixture.sale()
    await fixture.hold(user, offer, 2)
    const kept = await fixture.hold(user, other)
    await cancelSale(offer)
    expect(await sweep(releaseCancelledCartHolds)).toEqual({
      ended: 1,
      productIds: [offer.productId],
    })
    expect(await fixture.stock(offer)).toBe('10/0/0')
    expect(await fixture.status('reservations', kept.id)).toBe('held')
  })

  it('cancels the unpaid invoices of which nothing is left, and only those', async () => {
    const other = await fixture.sale()
    const { id } = await fixture.invoice(user, offer, 2)
    const unconcerned = await fixture.invoice(user, other)
    await cancelSale(offer)
    expect(await sweep(releaseCancelledLines)).toEqual(nothing)
    expect(await sweep(cancelInvoicesOfCancelled)).toMatchObject({ ended: 1 })
    expect(await fixture.status('invoices', id)).toBe('cancelled')
    expect(await fixture.status('invoices', unconcerned.id)).toBe('unpaid')
    expect([await fixture.stock(offer), await fixture.stock(other)]).toEqual(['10/0/0', '9/1/0'])
  })

  it('takes only its own lines out of an invoice with others, which is still to be paid', async () => {
    const { mixed, other } = await mixedInvoice()
    const [first, second] = mixed.lines
    await cancelSale(offer)
    fixture.clock.advance(1_000)
    expect(await sweep(cancelInvoicesOfCancelled)).toEqual(nothing)
    expect(await sweep(releaseCancelledLines)).toEqual({ ended: 1, productIds: [offer.productId] })
    expect([await fixture.stock(offer), await fixture.stock(other)]).toEqual(['10/0/0', '9/1/0'])
    expect(await fixture.read(readInvoice(user, mixed.id))).toEqual({
      ...mixed,
      lines: [second],
      cancelledLines: [first],
      totalMinor: 700,
    })
    expect(await sweep(releaseCancelledLines)).toEqual(nothing)
    const payment = await fixture.pay(mixed)
    expect(payment.amountMinor).toBe(700)
    expect(await fixture.run(settleAuthorized(payment.id, now()))).toBe('capture')
    expect([await fixture.stock(offer), await fixture.stock(other)]).toEqual(['10/0/0', '9/0/1'])
  })

  it('does not change the answer to the checkout that made the invoice', async () => {
    const { mixed } = await mixedInvoice()
    await cancelSale(offer)
    await sweep(releaseCancelledLines)
    const checkedOut = await fixture.read(readInvoiceAtCheckout(user, mixed.id))
    expect(checkedOut).toEqual(mixed)
  })

  it('leaves an invoice that is being paid whole, and takes the lines once that is declined', async () => {
    const { mixed, other } = await mixedInvoice()
    const payment = await fixture.pay(mixed)
    await cancelSale(offer)
    expect(await sweep(releaseCancelledLines)).toEqual(nothing)
    expect(payment.amountMinor).toBe(mixed.totalMinor)
    const end = { status: 'declined', code: 'card_declined' } as const
    await fixture.run(endPayment(payment.id, end, now()))
    expect(await sweep(releaseCancelledLines)).toMatchObject({ ended: 1 })
    expect(await fixture.read(readInvoice(user, mixed.id))).toMatchObject({
      status: 'unpaid',
      totalMinor: 700,
      dueAt: mixed.dueAt,
    })
    expect([await fixture.stock(offer), await fixture.stock(other)]).toEqual(['10/0/0', '9/1/0'])
  })

  it('lets an invoice that was authorised meanwhile pay for all of it', async () => {
    const { mixed, other } = await mixedInvoice()
    const payment = await fixture.pay(mixed)
    await cancelSale(offer)
    await sweep(releaseCancelledLines)
    expect(await fixture.run(settleAuthorized(payment.id, now()))).toBe('capture')
    expect([await fixture.stock(offer), await fixture.stock(other)]).toEqual(['8/0/2', '9/0/1'])
  })

  it('and the other one after it end the invoice with what was left', async () => {
    const { mixed, other } = await mixedInvoice()
    await cancelSale(offer)
    await sweep(releaseCancelledLines)
    await cancelSale(other)
    expect(await sweep(releaseCancelledLines)).toEqual(nothing)
    expect(await sweep(cancelInvoicesOfCancelled)).toMatchObject({ ended: 1 })
    expect(await fixture.read(readInvoice(user, mixed.id))).toMatchObject({
      status: 'cancelled',
      totalMinor: 700,
    })
    expect([await fixture.stock(offer), await fixture.stock(other)]).toEqual(['10/0/0', '10/0/0'])
  })

  it('leaves an invoice of which only a gift is left to be paid with nothing', async () => {
    const gift = await fixture.sale({ priceMinor: 0 })
    await fixture.hold(user, gift)
    const mixed = await fixture.invoice(user, offer)
    await cancelSale(offer)
    await sweep(releaseCancelledLines)
    const attempt = { paymentId: 'p', idempotencyKey: 'k', method: 'pm_ok' }
    const begin = beginPayment({ ...attempt, userId: user, invoiceId: mixed.id, now: now() })
    expect(await fixture.run(begin)).toMatchObject({
      kind: 'nothing_to_pay',
      invoice: { status: 'paid', totalMinor: 0 },
    })
    expect(await fixture.stock(gift)).toBe('9/0/1')
  })

  it('racing payments over two connections leaves each invoice whole or without its lines', async () => {
    const other = await fixture.sale({ stock: 100, priceMinor: 700 })
    const large = await fixture.sale({ stock: 100 })
    const second = fixture.openAgain()
    const invoices = []
    for (const each of await fixture.users(20)) {
      await fixture.hold(each, large)
      invoices.push(await fixture.invoice(each, other))
    }
    await cancelSale(large)
    const at = now()
    const sweeps = Array.from({ length: 20 }, () =>
      second.transaction(() => releaseCancelledLines(at, 2)),
    )
    const payments = await Promise.all(invoices.map((invoice) => fixture.pay(invoice)))
    await Promise.all(sweeps)
    for (const { id } of payments) await fixture.run(settleAuthorized(id, now()))
    const amounts = new Set(payments.map(({ amountMinor }) => amountMinor))
    expect([700, 5_699]).toEqual(expect.arrayContaining([...amounts]))
    const whole = payments.filter(({ amountMinor }) => amountMinor === 5_699).length
    expect(await fixture.stock(large)).toBe(`${100 - whole}/0/${whole}`)
    expect(await fixture.stock(other)).toBe('80/0/20')
  })

  /** Two units of the sale that is called off, and one of another at 700. */
  async function mixedInvoice() {
    const other = await fixture.sale({ priceMinor: 700, holdSeconds: 60 })
    await fixture.hold(user, offer, 2)
    return { other, mixed: await fixture.invoice(user, other) }
  }

  it('leaves what is being paid and what is paid alone', async () => {
    const payment = await fixture.pay(await fixture.invoice(user, offer))
    await fixture.paid(user, offer)
    await cancelSale(offer)
    expect(await sweep(cancelInvoicesOfCancelled)).toEqual(nothing)
    expect(await sweep(releaseCancelledCartHolds)).toEqual(nothing)
    await fixture.run(endPayment(payment.id, { status: 'voided', code: null }, now()))
    expect(await sweep(cancelInvoicesOfCancelled)).toMatchObject({ ended: 1 })
    expect(await fixture.stock(offer)).toBe('9/0/1')
  })

  it('does not give back again what had ended before', async () => {
    await fixture.hold(user, offer)
    fixture.clock.advance(300_000)
    await sweep(expireCartHolds)
    await cancelSale(offer)
    expect(await sweep(releaseCancelledCartHolds)).toEqual(nothing)
    expect(await fixture.stock(offer)).toBe('10/0/0')
  })

  it('lets what it may not cancel take no place in the batch', async () => {
    await fixture.pay(await fixture.invoice(user, offer))
    await fixture.paid(user, offer)
    await fixture.invoice(user, offer)
    await fixture.hold(user, offer)
    await cancelSale(offer)
    expect(await sweep(cancelInvoicesOfCancelled, 1)).toMatchObject({ ended: 1 })
    expect(await sweep(releaseCancelledCartHolds, 1)).toMatchObject({ ended: 1 })
  })

  it('fills its batches with invoices, however many lines they have', async () => {
    for (let count = 0; count < 3; count += 1) {
      await fixture.hold(user, offer)
      await fixture.hold(user, offer)
      await fixture.invoice(user, offer)
    }
    await cancelSale(offer)
    expect(await sweep(cancelInvoicesOfCancelled, 2)).toMatchObject({ ended: 2 })
    expect(await sweep(cancelInvoicesOfCancelled, 2)).toMatchObject({ ended: 1 })
  })
})
