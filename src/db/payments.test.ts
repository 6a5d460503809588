import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Invoice } from '../domain/invoice.ts'
import { openSaleFixture, type Offer, type SaleFixture } from '../../test/support/sale-fixture.ts'
import { all, run } from './database.ts'
import { expireInvoices } from './expiry.ts'
import { returnToStock, type EndedHold } from './holds.ts'
import { cancelInvoice, readInvoice } from './invoices.ts'
import {
  beginPayment,
  endPayment,
  giveUpPayment,
  markCaptured,
  readPayment,
  readUnsettled,
  settleAuthorized,
  touchPayment,
  type BeginPayment,
} from './payments.ts'

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
const voided = { status: 'voided', code: null } as const
const invoiceNow = () => fixture.read(readInvoice(user, invoice.id))

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
})

describe('an authorised attempt', () => {
  it('makes the invoice paid, sells its holds and is to be captured', async () => {
    const { id } = await fixture.pay(invoice)
    fixture.clock.advance(5)
    expect(await fixture.run(settleAuthorized(id, now()))).toBe('capture')
    expect(await invoiceNow()).toMatchObject({ status: 'paid', paidAt: now() })
    expect(await fixture.stock(offer)).toBe('8/0/2')
    expect(await fixture.status('payments', id)).toBe('authorized')
  })

  it('pays long after the due date, for paying stopped the clock', async () => {
    const { id } = await fixture.pay(invoice)
    fixture.clock.advance(3_600_000)
    expect(await fixture.run(settleAuthorized(id, now()))).toBe('capture')
  })

  it('settled twice says capture twice and sells once', async () => {
    const { id } = await fixture.pay(invoice)
    await fixture.run(settleAuthorized(id, now()))
    expect(await fixture.run(settleAuthorized(id, now()))).toBe('capture')
    await fixture.run(markCaptured(id, now()))
    expect(await fixture.run(settleAuthorized(id, now()))).toBe('capture')
    expect(await fixture.stock(offer)).toBe('8/0/2')
  })

  it.each([declined, voided])('that was $status before is to be voided', async (end) => {
    const { id } = await fixture.pay(invoice)
    await fixture.run(endPayment(id, end, now()))
    expect(await fixture.run(settleAuthorized(id, now()))).toBe('void')
    expect(await fixture.status('invoices', invoice.id)).toBe('unpaid')
    expect(await fixture.status('payments', id)).toBe(end.status)
  })

  it('is to be voided when its invoice is not being paid any more, and sells nothing', async () => {
    const { id } = await fixture.pay(invoice)
    await fixture.run(run(`update invoices set status = 'unpaid' where id = ?`, invoice.id))
    expect(await fixture.run(settleAuthorized(id, now()))).toBe('void')
    expect(await fixture.run(settleAuthorized(id, now()))).toBe('void')
    expect(await fixture.status('invoices', invoice.id)).toBe('unpaid')
    expect(await fixture.stock(offer)).toBe('8/2/0')
    await fixture.run(endPayment(id, voided, now()))
  })

  it('never pays for a hold that is lost: the invoice stays as it was', async () => {
    const { id } = await fixture.pay(invoice)
    const [hold] = invoice.lines
    await fixture.run(endHold(hold?.reservationId ?? ''))
    await expect(fixture.run(settleAuthorized(id, now()))).rejects.toThrow(/lost a hold/)
    expect(await fixture.status('invoices', invoice.id)).toBe('paying')
    expect(await fixture.status('payments', id)).toBe('authorizing')
    await fixture.run(endPayment(id, voided, now()))
    await fixture.run(cancelInvoice(user, invoice.id, now()))
  })

  it('never sells more than the stock says is held', async () => {
    const { id } = await fixture.pay(invoice)
    await fixture.run(run('update stock set available = 9, held = 1'))
    await expect(fixture.run(settleAuthorized(id, now()))).rejects.toThrow(/holds less than was/)
    expect(await fixture.stock(offer)).toBe('9/1/0')
    await fixture.run(run('update stock set available = 8, held = 2'))
  })

  /** What no script does to a hold of an invoice. */
  function* endHold(reservationId: string) {
    const end = `update reservations set status = 'released', ended_at = ? where id = ?
      returning id, product_id as "productId", quantity`
    const ended = yield* all<EndedHold>(end, now(), reservationId)
    yield* returnToStock(ended, 'released', now())
  }

  it('that is late money is left to where such money is placed', async () => {
    const { id } = await fixture.pay(invoice)
    await fixture.run(endPayment(id, voided, now()))
    await fixture.run(run(`update payments set status = 'late' where id = ?`, id))
    expect(await fixture.run(settleAuthorized(id, now()))).toBe('leave')
  })

  it('of an attempt nobody knows is to be voided', async () => {
    expect(await fixture.run(settleAuthorized('unknown', now()))).toBe('void')
  })

  it('is not ended once the invoice is paid', async () => {
    const { id } = await fixture.pay(invoice)
    await fixture.run(settleAuthorized(id, now()))
    expect(await fixture.run(endPayment(id, voided, now()))).toBe(false)
    expect(await fixture.run(endPayment(id, declined, now()))).toBe(false)
    expect(await fixture.status('payments', id)).toBe('authorized')
    expect(await fixture.status('invoices', invoice.id)).toBe('paid')
  })

  it('is captured only when its invoice is paid', async () => {
    const { id } = await fixture.pay(invoice)
    await fixture.run(markCaptured(id, now()))
    expect(await fixture.status('payments', id)).toBe('authorizing')
    await fixture.run(settleAuthorized(id, now()))
    await fixture.run(markCaptured(id, now()))
    expect(await fixture.status('payments', id)).toBe('captured')
  })
})

describe('an attempt that ends without money', () => {
  it.each([declined, voided])('$status makes the invoice unpaid again', async (end) => {
    const { id } = await fixture.pay(invoice)
    expect(await fixture.run(endPayment(id, end, now()))).toBe(true)
    expect(await invoiceNow()).toMatchObject({ status: 'unpaid', dueAt: invoice.dueAt })
    expect(await begin()).toMatchObject({ kind: 'begun' })
  })

  it('leaves at least a minute, counted from the answer', async () => {
    fixture.clock.advance(299_999)
    const { id } = await fixture.pay(invoice)
    fixture.clock.advance(20_000)
    await fixture.run(endPayment(id, declined, now()))
    expect(await invoiceNow()).toMatchObject({ dueAt: now() + 60_000 })
    expect(await fixture.run(expireInvoices(now(), 10))).toMatchObject({ ended: 0 })
  })

  it('extends a hold once: the second late answer leaves what is left', async () => {
    fixture.clock.advance(299_999)
    const first = await fixture.pay(invoice)
    await fixture.run(endPayment(first.id, declined, now()))
    const dueAt = now() + 60_000
    for (const end of [declined, voided]) {
      fixture.clock.advance(20_000)
      const { id } = await fixture.pay(invoice)
      await fixture.run(endPayment(id, end, now()))
      expect(await invoiceNow()).toMatchObject({ status: 'unpaid', dueAt })
    }
    fixture.clock.advance(20_000)
    expect(await begin()).toEqual({ kind: 'expired' })
    expect(await fixture.run(expireInvoices(now(), 10))).toMatchObject({ ended: 1 })
  })

  it('that comes early uses the extension up for nobody', async () => {
    const first = await fixture.pay(invoice)
    await fixture.run(endPayment(first.id, declined, now()))
    fixture.clock.advance(299_999)
    const { id } = await fixture.pay(invoice)
    await fixture.run(endPayment(id, declined, now()))
    expect(await invoiceNow()).toMatchObject({ dueAt: now() + 60_000 })
  })

  it('never leaves more than the hold time itself', async () => {
    const quick = await fixture.sale({ holdSeconds: 10 })
    const due = await fixture.invoice(user, quick)
    const { id } = await fixture.pay(due)
    fixture.clock.advance(20_000)
    await fixture.run(endPayment(id, declined, now()))
    expect(await fixture.read(readInvoice(user, due.id))).toMatchObject({ dueAt: now() + 10_000 })
  })

  it('never shortens what is left', async () => {
    const { id } = await fixture.pay(invoice)
    await fixture.run(endPayment(id, declined, now()))
    expect(await invoiceNow()).toMatchObject({ dueAt: invoice.dueAt })
  })

  it('twice ends it once', async () => {
    const { id } = await fixture.pay(invoice)
    await fixture.run(endPayment(id, declined, now()))
    expect(await fixture.run(endPayment(id, voided, now()))).toBe(false)
    expect(await fixture.status('payments', id)).toBe('declined')
  })

  it('gives an invoice that is not being paid no time', async () => {
    const { id } = await fixture.pay(invoice)
    await fixture.run(run(`update invoices set status = 'unpaid' where id = ?`, invoice.id))
    fixture.clock.advance(299_999)
    await fixture.run(endPayment(id, declined, now()))
    expect(await invoiceNow()).toMatchObject({ status: 'unpaid', dueAt: invoice.dueAt })
  })

  it('does not touch the attempt after it', async () => {
    const first = await fixture.pay(invoice)
    await fixture.run(endPayment(first.id, declined, now()))
    const second = await fixture.pay(invoice)
    expect(await fixture.run(endPayment(first.id, voided, now()))).toBe(false)
    expect(await fixture.status('invoices', invoice.id)).toBe('paying')
    expect(await fixture.status('payments', second.id)).toBe('authorizing')
  })
})

describe('an attempt that is given up', () => {
  it('never pays: an authorisation that comes later is to be voided', async () => {
    const { id } = await fixture.pay(invoice)
    expect(await fixture.run(giveUpPayment(id, now()))).toBe(true)
    expect(await fixture.run(settleAuthorized(id, now()))).toBe('void')
    expect(await fixture.status('invoices', invoice.id)).toBe('paying')
    expect(await begin()).toEqual({ kind: 'payment_in_progress' })
  })

  it('keeps its invoice from the sweep until the void is confirmed', async () => {
    const { id } = await fixture.pay(invoice)
    await fixture.run(giveUpPayment(id, now()))
    fixture.clock.advance(3_600_000)
    expect(await fixture.run(expireInvoices(now(), 10))).toMatchObject({ ended: 0 })
    expect(await fixture.run(endPayment(id, voided, now()))).toBe(true)
    expect(await fixture.status('invoices', invoice.id)).toBe('unpaid')
  })

  it('may be given up again, by another process', async () => {
    const { id } = await fixture.pay(invoice)
    await fixture.run(giveUpPayment(id, now()))
    expect(await fixture.run(giveUpPayment(id, now()))).toBe(true)
  })

  it('is not given up once it paid, was captured or has ended', async () => {
    const { id } = await fixture.pay(invoice)
    await fixture.run(settleAuthorized(id, now()))
    expect(await fixture.run(giveUpPayment(id, now()))).toBe(false)
    await fixture.run(markCaptured(id, now()))
    expect(await fixture.run(giveUpPayment(id, now()))).toBe(false)
    const ended = await fixture.pay(await fixture.invoice(user, offer))
    await fixture.run(endPayment(ended.id, declined, now()))
    expect(await fixture.run(giveUpPayment(ended.id, now()))).toBe(false)
  })
})

describe('looking at attempts', () => {
  it('shows one with its invoice', async () => {
    const { id } = await fixture.pay(invoice)
    expect(await fixture.read(readPayment(id))).toMatchObject({
      payment: { id, status: 'authorizing' },
      invoice: { id: invoice.id, status: 'paying' },
    })
    expect(await fixture.read(readPayment('unknown'))).toBeUndefined()
  })

  it('finds those untouched for long, oldest first, and no settled one', async () => {
    const first = await fixture.pay(invoice)
    fixture.clock.advance(1_000)
    const second = await fixture.pay(await fixture.invoice(user, offer))
    const ended = await fixture.pay(await fixture.invoice(user, offer))
    await fixture.run(endPayment(ended.id, declined, now()))
    const unsettled = async (since: number, limit = 10) =>
      (await fixture.read(readUnsettled(since, limit))).map(({ id }) => id)
    expect(await unsettled(now())).toEqual([first.id, second.id])
    expect(await unsettled(now() - 1)).toEqual([first.id])
    expect(await unsettled(now(), 1)).toEqual([first.id])
  })

  it('puts one that was looked at behind the others, and leaves settled ones alone', async () => {
    const first = await fixture.pay(invoice)
    fixture.clock.advance(1)
    const second = await fixture.pay(await fixture.invoice(user, offer))
    fixture.clock.advance(1)
    await fixture.run(touchPayment(first.id, now()))
    await fixture.run(endPayment(second.id, declined, now() - 1))
    await fixture.run(touchPayment(second.id, now()))
    const touched = await fixture.rows('select updated_at as at from payments order by id')
    expect(touched).toEqual([{ at: now() }, { at: now() - 1 }])
    expect(await fixture.read(readUnsettled(now() - 1, 10))).toEqual([])
  })
})
