import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Invoice } from '../../domain/invoice.ts'
import {
  openSaleFixture,
  type Offer,
  type SaleFixture,
} from '../../../test/support/sale-fixture.ts'
import { closeAttention, listAttention } from '../attention.ts'
import { releaseCancelledLines } from '../called-off-sales.ts'
import { expireInvoices } from '../expiry.ts'
import { changeFlashSaleState } from '../flash-sales.ts'
import { cancelInvoice, readInvoice } from '../invoices.ts'
import { dropLate, placeEnded, placeMoved } from './late-money.ts'
import { endPayment } from './decline.ts'
import { settleAuthorized } from './settle-authorized.ts'

/**
 * Tests each step with a payment in the wrong state; `src/payments/late-money.test.ts` tests the
 * whole way.
 */
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

/** Makes a voided attempt whose invoice is unpaid again. */
async function ended(): Promise<string> {
  const { id } = await fixture.pay(invoice)
  await fixture.run(endPayment(id, voided, fixture.clock.now()))
  return id
}

/** Makes stranded money: its invoice was cancelled. */
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

describe('late money for an invoice that has lost a called-off line', () => {
  /** An ended attempt over 4999 + 700, of which 700 are left to be paid. */
  async function reduced(): Promise<string> {
    await fixture.run(cancelInvoice(user, invoice.id, fixture.clock.now()))
    const other = await fixture.sale({ priceMinor: 700 })
    await fixture.hold(user, other)
    invoice = await fixture.invoice(user, offer)
    const id = await ended()
    const now = fixture.clock.now()
    await fixture.run(changeFlashSaleState(offer.flashSaleId, 'cancelled', now))
    expect(await fixture.run(releaseCancelledLines(now, 10))).toMatchObject({ ended: 1 })
    return id
  }

  async function reasonOf(id: string): Promise<string | undefined> {
    const entries = await fixture.read(listAttention({ after: '', limit: 10 }))
    return entries.find(({ paymentId }) => paymentId === id)?.reason
  }

  it('is too much for it: a person decides, and the rest can still be paid', async () => {
    const id = await reduced()
    expect(await place(id)).toBe('stranded')
    expect(await reasonOf(id)).toBe('amount_changed')
    expect(await fixture.status('invoices', invoice.id)).toBe('unpaid')
    const rest = await fixture.pay(invoice)
    expect(rest.amountMinor).toBe(700)
    expect(await fixture.run(settleAuthorized(rest.id, fixture.clock.now()))).toBe('capture')
  })

  it('does not wait for another attempt to end, and does not stop it', async () => {
    const id = await reduced()
    const rest = await fixture.pay(invoice)
    expect(await place(id)).toBe('stranded')
    expect(await reasonOf(id)).toBe('amount_changed')
    expect(await fixture.run(settleAuthorized(rest.id, fixture.clock.now()))).toBe('capture')
  })

  it('does not pay it after it has expired, and the invoice needs a person', async () => {
    const id = await reduced()
    fixture.clock.advance(300_000)
    await fixture.run(expireInvoices(fixture.clock.now(), 10))
    expect(await place(id)).toBe('stranded')
    expect(await reasonOf(id)).toBe('amount_changed')
    expect(await fixture.status('invoices', invoice.id)).toBe('needs_attention')
  })

  it('of an attempt over the rest pays the rest alone, though it has expired', async () => {
    await reduced()
    const { id } = await fixture.pay(invoice)
    await fixture.run(endPayment(id, voided, fixture.clock.now()))
    fixture.clock.advance(300_000)
    await fixture.run(expireInvoices(fixture.clock.now(), 10))
    expect(await place(id)).toBe('capture')
    expect(await fixture.stock(offer)).toBe('3/0/0')
    expect(await fixture.read(readInvoice(user, invoice.id))).toMatchObject({
      status: 'paid',
      totalMinor: 700,
    })
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
