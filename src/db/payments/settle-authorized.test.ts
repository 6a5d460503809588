import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  openSaleFixture,
  type Offer,
  type SaleFixture,
} from '../../../test/support/sale-fixture.ts'
import type { Invoice } from '../../domain/invoice.ts'
import { all, run } from '../database.ts'
import { returnToStock, type EndedHold } from '../holds.ts'
import { cancelInvoice, readInvoice } from '../invoices.ts'
import { endPayment } from './decline.ts'
import { markCaptured, settleAuthorized } from './settle-authorized.ts'

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

  /** Changes a hold of an invoice in a way that no script does. */
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
