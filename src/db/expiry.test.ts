import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openSaleFixture, type Offer, type SaleFixture } from '../../test/support/sale-fixture.ts'
import { readCart } from './carts.ts'
import { run, type Script } from './database.ts'
import { expireCartHolds, expireInvoices, type Swept } from './expiry.ts'
import { returnToStock } from './holds.ts'
import { beginPayment } from './payments/begin-payment.ts'
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

describe('holds in carts', () => {
  it('expire at their deadline, not a millisecond before', async () => {
    const { id } = await fixture.hold(user, offer, 3)
    fixture.clock.advance(299_999)
    expect(await sweep(expireCartHolds)).toEqual(nothing)
    fixture.clock.advance(1)
    expect(await sweep(expireCartHolds)).toEqual({ ended: 1, productIds: [offer.productId] })
    expect(await fixture.stock(offer)).toBe('10/0/0')
    expect(await fixture.status('reservations', id)).toBe('expired')
    expect(await fixture.read(readCart(user, 0))).toEqual([])
  })

  it('expire once, however often they are swept', async () => {
    await fixture.hold(user, offer)
    fixture.clock.advance(300_000)
    await sweep(expireCartHolds)
    expect(await sweep(expireCartHolds)).toEqual(nothing)
    expect(await fixture.stock(offer)).toBe('10/0/0')
  })

  it('expire in bounded batches, the oldest first, each product named once', async () => {
    const other = await fixture.product(offer.flashSaleId)
    const first = await fixture.hold(user, other)
    fixture.clock.advance(1)
    for (let count = 0; count < 3; count += 1) await fixture.hold(user, offer)
    fixture.clock.advance(300_000)
    expect(await sweep(expireCartHolds, 1)).toEqual({ ended: 1, productIds: [other.productId] })
    expect(await fixture.status('reservations', first.id)).toBe('expired')
    expect(await sweep(expireCartHolds, 2)).toEqual({ ended: 2, productIds: [offer.productId] })
    expect(await fixture.stock(offer)).toBe('9/1/0')
  })

  it('that follow an invoice do not expire with the cart’s deadline', async () => {
    await fixture.hold(user, offer)
    fixture.clock.advance(200_000)
    await fixture.checkOut(user)
    fixture.clock.advance(200_000)
    expect(await sweep(expireCartHolds)).toEqual(nothing)
    expect(await sweep(expireInvoices)).toEqual(nothing)
    expect(await fixture.stock(offer)).toBe('9/1/0')
  })

  it('that follow an invoice take no place in the batch', async () => {
    await fixture.invoice(user, offer)
    fixture.clock.advance(1)
    await fixture.hold(user, offer)
    fixture.clock.advance(300_000)
    expect(await sweep(expireCartHolds, 1)).toMatchObject({ ended: 1 })
  })

  it('left behind by a checkout, because their time was over, expire', async () => {
    await fixture.hold(user, offer)
    fixture.clock.advance(299_000)
    await fixture.hold(user, offer)
    fixture.clock.advance(1_000)
    await fixture.checkOut(user)
    expect(await sweep(expireCartHolds)).toMatchObject({ ended: 1 })
    expect(await fixture.stock(offer)).toBe('9/1/0')
  })
})

describe('invoices', () => {
  it('expire at their due date with all their holds, not a millisecond before', async () => {
    const other = await fixture.product(offer.flashSaleId)
    await fixture.hold(user, other, 2)
    const { id } = await fixture.invoice(user, offer, 3)
    fixture.clock.advance(299_999)
    expect(await sweep(expireInvoices)).toEqual(nothing)
    fixture.clock.advance(1)
    expect(await sweep(expireInvoices)).toEqual({
      ended: 1,
      productIds: [offer.productId, other.productId],
    })
    expect(await fixture.status('invoices', id)).toBe('expired')
    expect([await fixture.stock(offer), await fixture.stock(other)]).toEqual(['10/0/0', '10/0/0'])
  })

  it('expire in bounded batches', async () => {
    for (let count = 0; count < 3; count += 1) await fixture.invoice(user, offer)
    fixture.clock.advance(300_000)
    expect(await sweep(expireInvoices, 2)).toMatchObject({ ended: 2 })
    expect(await sweep(expireInvoices, 2)).toMatchObject({ ended: 1 })
    expect(await sweep(expireInvoices, 2)).toEqual(nothing)
  })

  it('give back only what is still held', async () => {
    const { id } = await fixture.hold(user, offer, 2)
    await fixture.hold(user, offer, 3)
    await fixture.checkOut(user)
    const hold = { id, productId: offer.productId, quantity: 2 }
    await fixture.database.transaction(function* () {
      yield* run(`update reservations set status = 'released', ended_at = 1 where id = ?`, id)
      yield* returnToStock([hold], 'released', now())
    })
    fixture.clock.advance(300_000)
    expect(await sweep(expireInvoices)).toMatchObject({ ended: 1 })
    expect(await fixture.stock(offer)).toBe('10/0/0')
  })

  it('never give back more than the stock says is held; all of the batch stays', async () => {
    await fixture.invoice(user, offer, 2)
    await fixture.run(run('update stock set available = 9, held = 1'))
    fixture.clock.advance(300_000)
    await expect(sweep(expireInvoices)).rejects.toThrow(/holds less than was ended/)
    expect(await fixture.stock(offer)).toBe('9/1/0')
    await fixture.run(run('update stock set available = 8, held = 2'))
  })

  it('that are being paid are never swept', async () => {
    const payment = await fixture.pay(await fixture.invoice(user, offer))
    fixture.clock.advance(86_400_000)
    expect(await sweep(expireInvoices)).toEqual(nothing)
    expect(await sweep(expireCartHolds)).toEqual(nothing)
    expect(await fixture.run(settleAuthorized(payment.id, now()))).toBe('capture')
    expect(await fixture.stock(offer)).toBe('9/0/1')
  })

  it('that are paid are never swept', async () => {
    await fixture.paid(user, offer)
    fixture.clock.advance(86_400_000)
    expect(await sweep(expireInvoices)).toEqual(nothing)
    expect(await fixture.stock(offer)).toBe('9/0/1')
  })
})

describe('paying and expiring in the same millisecond', () => {
  it.each([
    ['just before the due date, expiring first', 299_999, 'expire first'],
    ['just before the due date, paying first', 299_999, 'pay first'],
  ])('%s: it is paid', async (_, ms, order) => {
    const invoice = await fixture.invoice(user, offer)
    fixture.clock.advance(ms)
    if (order === 'expire first') expect(await sweep(expireInvoices)).toEqual(nothing)
    const { id } = await fixture.pay(invoice)
    fixture.clock.advance(1)
    expect(await sweep(expireInvoices)).toEqual(nothing)
    expect(await fixture.run(settleAuthorized(id, now()))).toBe('capture')
  })

  it.each(['expire first', 'pay first'])('at the due date, %s: it expires', async (order) => {
    const invoice = await fixture.invoice(user, offer)
    fixture.clock.advance(300_000)
    const attempt = { paymentId: 'p', idempotencyKey: 'k', method: 'pm_ok' }
    const begin = beginPayment({ ...attempt, userId: user, invoiceId: invoice.id, now: now() })
    if (order === 'expire first') await sweep(expireInvoices)
    expect(await fixture.run(begin)).toEqual({ kind: 'expired' })
    if (order === 'pay first') await sweep(expireInvoices)
    expect(await fixture.status('invoices', invoice.id)).toBe('expired')
    expect(await fixture.stock(offer)).toBe('10/0/0')
  })
})

describe('two sweepers at once', () => {
  it('end every hold and invoice once', async () => {
    const users = await fixture.users(8)
    const large = await fixture.sale({ stock: 100 })
    for (const each of users) await fixture.invoice(each, large)
    for (const each of users) await fixture.hold(each, large, 2)
    fixture.clock.advance(300_000)
    const other = fixture.openAgain()
    const scripts = [expireCartHolds, expireInvoices]
    const swept = await Promise.all(
      Array.from({ length: 40 }, (_, index) => {
        const script = scripts[index % 2] ?? expireCartHolds
        return (index % 3 === 0 ? other : fixture.database).transaction(() => script(now(), 3))
      }),
    )
    expect(swept.reduce((sum, { ended }) => sum + ended, 0)).toBe(16)
    expect(await fixture.stock(large)).toBe('100/0/0')
    const endings = `select id from stock_movements where kind in ('expired', 'released', 'sold')`
    expect(await fixture.rows(endings)).toHaveLength(16)
  })
})
