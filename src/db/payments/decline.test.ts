import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  openSaleFixture,
  type Offer,
  type SaleFixture,
} from '../../../test/support/sale-fixture.ts'
import type { Invoice } from '../../domain/invoice.ts'
import { run } from '../database.ts'
import { expireInvoices } from '../expiry.ts'
import { readInvoice } from '../invoices.ts'
import { beginPayment, type BeginPayment } from './begin-payment.ts'
import { endPayment } from './decline.ts'

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
