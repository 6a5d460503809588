import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openSaleFixture, type Offer, type SaleFixture } from '../../test/support/sale-fixture.ts'
import { cancelInvoicesOfCancelled, releaseCancelledCartHolds } from './called-off-sales.ts'
import type { Script } from './database.ts'
import { expireCartHolds, type Swept } from './expiry.ts'
import { changeFlashSaleState } from './flash-sales.ts'
import { endPayment } from './payments/decline.ts'

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

  it('cancels unpaid invoices with its products, whole, and only those', async () => {
    const other = await fixture.sale()
    await fixture.hold(user, offer, 2)
    const mixed = await fixture.invoice(user, other)
    const unconcerned = await fixture.invoice(user, other)
    await cancelSale(offer)
    expect(await sweep(cancelInvoicesOfCancelled)).toMatchObject({ ended: 1 })
    expect(await fixture.status('invoices', mixed.id)).toBe('cancelled')
    expect(await fixture.status('invoices', unconcerned.id)).toBe('unpaid')
    expect([await fixture.stock(offer), await fixture.stock(other)]).toEqual(['10/0/0', '9/1/0'])
  })

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
