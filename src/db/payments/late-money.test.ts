import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Invoice } from '../../domain/invoice.ts'
import {
  openSaleFixture,
  type Offer,
  type SaleFixture,
} from '../../../test/support/sale-fixture.ts'
import { closeAttention, listAttention } from '../attention.ts'
import { cancelInvoice } from '../invoices.ts'
import { dropLate, placeEnded, placeMoved } from './late-money.ts'
import { endPayment } from './decline.ts'

/** What each step does with a payment that is not where it should be; the way as a whole is in `payments`. */
let fixture: SaleFixture
let offer: Offer
let user: number
let invoice: Invoice

beforeEach(async () => {
  fixture = await openSaleFixture()
  offer = await fixture.sale({ stock: 3 })
  user = await fixture.user()
  invoice = await fixture.invoice(user, offer)
})

afterEach(async () => {
  expect(await fixture.violated()).toEqual([])
  await fixture.close()
})

const context = () => ({ now: fixture.clock.now(), newId: fixture.newId })
const place = (paymentId: string) => fixture.run(placeEnded(paymentId, context()))
const voided = { status: 'voided', code: null } as const

/** An attempt that was voided, its invoice unpaid again. */
async function ended(): Promise<string> {
  const { id } = await fixture.pay(invoice)
  await fixture.run(endPayment(id, voided, fixture.clock.now()))
  return id
}

/** Money for an invoice that was cancelled. */
async function stranded(): Promise<string> {
  const id = await ended()
  await fixture.run(cancelInvoice(user, invoice.id, fixture.clock.now()))
  expect(await place(id)).toBe('stranded')
  return id
}

describe('late money', () => {
  it('is none while its attempt is under way', async () => {
    const { id } = await fixture.pay(invoice)
    expect(await place(id)).toBe('settled')
    expect(await fixture.status('payments', id)).toBe('authorizing')
  })

  it('is none when its attempt has paid, and is to be captured', async () => {
    const { payment } = await fixture.paid(user, offer)
    expect(await place(payment.id)).toBe('capture')
    expect(await fixture.status('payments', payment.id)).toBe('authorized')
  })

  it('that has moved does not pay past another attempt', async () => {
    const id = await ended()
    const second = await fixture.pay(invoice)
    expect(await fixture.run(placeMoved(id, context()))).toBe('waits')
    expect(await fixture.status('payments', id)).toBe('late')
    expect(await fixture.status('payments', second.id)).toBe('authorizing')
  })

  it('for a cancelled invoice takes no units', async () => {
    await stranded()
    expect(await fixture.status('invoices', invoice.id)).toBe('needs_attention')
    expect(await fixture.stock(offer)).toBe('3/0/0')
  })

  it('that is stranded is not placed again', async () => {
    const id = await stranded()
    expect(await place(id)).toBe('settled')
    const [entry] = await fixture.read(listAttention({ after: '', limit: 1 }))
    expect(entry).toMatchObject({ paymentId: id, reason: 'invoice_cancelled' })
  })

  it('is not forgotten once it has paid', async () => {
    const { payment } = await fixture.paid(user, offer)
    await fixture.run(dropLate(payment.id, fixture.clock.now()))
    expect(await fixture.status('payments', payment.id)).toBe('authorized')
  })
})

describe('taking a payment off the list', () => {
  const close = (paymentId: string, note: string) =>
    fixture.run(closeAttention({ paymentId, note, now: fixture.clock.now() }))

  it('twice keeps what was said first, and says so to whoever says something else', async () => {
    const id = await stranded()
    const closed = await close(id, 'paid back by hand')
    expect(closed).toMatchObject({ paymentId: id })
    expect(await close(id, 'forgot why')).toBe('attention_closed')
    expect(await close(id, 'paid back by hand')).toEqual(closed)
    expect(await fixture.rows('select closed_note as note from payments')).toEqual([
      { note: 'paid back by hand' },
    ])
  })

  it('is only for what is on it', async () => {
    const { payment } = await fixture.paid(user, offer)
    expect(await close(payment.id, 'no reason')).toBe('not_found')
  })
})
