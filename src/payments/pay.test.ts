import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { expireInvoices } from '../db/expiry.ts'
import { readInvoice } from '../db/invoices.ts'
import { giveUpPayment } from '../db/payments/give-up-payment.ts'
import type { Invoice } from '../domain/invoice.ts'
import type { Payment } from '../domain/payment.ts'
import {
  loseAnswer,
  loseCall,
  openPaymentFixture,
  orderOf,
  type PaymentFixture,
} from '../../test/support/payment-fixture.ts'
import type { Offer } from '../../test/support/sale-fixture.ts'
import { ProviderUnavailableError } from './provider.ts'

let fixture: PaymentFixture
let offer: Offer
let invoice: Invoice

beforeEach(async () => {
  fixture = await openPaymentFixture()
  offer = await fixture.sale({ stock: 10, holdSeconds: 300 })
  invoice = await fixture.invoice(await fixture.user(), offer, 2)
})

afterEach(async () => {
  expect(await fixture.violated()).toEqual([])
  expect(await fixture.disagreements()).toEqual([])
  await fixture.close()
})

const invoiceNow = () => fixture.read(readInvoice(invoice.userId, invoice.id))
const settle = (payment: Payment) => fixture.settlement.settle(orderOf(payment))
const told = (payment: Payment, ...answers: readonly string[]) =>
  answers.map((answer) => `${payment.id} ${answer}`)

describe('settling an attempt', () => {
  it('authorises, pays the invoice, sells its holds and captures, in this order', async () => {
    const payment = await fixture.pay(invoice)
    let whenCaptured: unknown
    fixture.overrides.capture = async (paymentId) => {
      whenCaptured = [await fixture.status('invoices', invoice.id), await fixture.stock(offer)]
      await fixture.provider.capture(paymentId)
    }
    expect(await settle(payment)).toMatchObject({
      invoice: { id: invoice.id, status: 'paid', paidAt: fixture.clock.now() },
      payment: { id: payment.id, status: 'captured' },
    })
    expect(whenCaptured).toEqual(['paid', '8/0/2'])
    expect(fixture.operations()).toEqual(told(payment, 'authorize authorized', 'capture captured'))
    expect((await fixture.provider.readLedger()).captured).toMatchObject([
      { invoiceId: invoice.id, currency: 'EUR', amountMinor: invoice.totalMinor },
    ])
  })

  it('twice at once pays once and captures once', async () => {
    const payment = await fixture.pay(invoice)
    const both = await Promise.all([settle(payment), settle(payment)])
    expect(both.map((each) => each.invoice.status)).toEqual(['paid', 'paid'])
    expect(await fixture.stock(offer)).toBe('8/0/2')
    const captured = fixture.operations().filter((each) => each.endsWith('capture captured'))
    expect(captured).toHaveLength(1)
  })

  it('that the provider answers long after the due date pays all the same', async () => {
    const payment = await fixture.pay(invoice, { method: 'pm_slow' })
    fixture.clock.advance(299_999)
    const settled = settle(payment)
    await fixture.run(expireInvoices(fixture.clock.now() + 10_000, 10))
    fixture.clock.advance(3_000)
    expect(await settled).toMatchObject({ invoice: { status: 'paid' } })
    expect(await fixture.stock(offer)).toBe('8/0/2')
  })
})

describe('a declined attempt', () => {
  it('leaves the invoice unpaid with its units held, and captures nothing', async () => {
    const payment = await fixture.pay(invoice, { method: 'pm_insufficient_funds' })
    expect(await settle(payment)).toMatchObject({
      invoice: { status: 'unpaid', dueAt: invoice.dueAt },
      payment: { status: 'declined', declineCode: 'insufficient_funds' },
    })
    expect(await fixture.stock(offer)).toBe('8/2/0')
    expect(fixture.operations()).toEqual(told(payment, 'authorize declined'))
  })

  it('in the last millisecond leaves a minute, in which another card pays', async () => {
    fixture.clock.advance(299_999)
    const first = await fixture.pay(invoice, { method: 'pm_declined' })
    const { invoice: unpaid } = await settle(first)
    expect(unpaid.dueAt).toBe(fixture.clock.now() + 60_000)
    fixture.clock.advance(59_999)
    expect(await settle(await fixture.pay(invoice))).toMatchObject({ invoice: { status: 'paid' } })
  })

  it('leaves no more than the hold where that is shorter than a minute', async () => {
    const quick = await fixture.sale({ holdSeconds: 20 })
    const due = await fixture.invoice(invoice.userId, quick)
    fixture.clock.advance(19_999)
    const { invoice: unpaid } = await settle(await fixture.pay(due, { method: 'pm_declined' }))
    expect(unpaid.dueAt).toBe(fixture.clock.now() + 20_000)
  })
})

describe('a silent provider', () => {
  it('that lost the call leaves the attempt open: nothing is paid, voided or declined', async () => {
    const payment = await fixture.pay(invoice)
    fixture.overrides.authorize = loseCall
    await expect(settle(payment)).rejects.toThrow(ProviderUnavailableError)
    expect(await fixture.status('invoices', invoice.id)).toBe('paying')
    expect(await fixture.status('payments', payment.id)).toBe('authorizing')
    expect(fixture.operations()).toEqual([])
  })

  it('that lost the answer of an authorisation leaves it open, though money is set aside', async () => {
    const payment = await fixture.pay(invoice)
    fixture.overrides.authorize = (order) => loseAnswer(fixture.provider.authorize(order))
    await expect(settle(payment)).rejects.toThrow(ProviderUnavailableError)
    expect(await fixture.status('invoices', invoice.id)).toBe('paying')
    expect(fixture.operations()).toEqual(told(payment, 'authorize authorized'))
  })

  it('at the capture changes nothing for the shopper: the invoice is paid', async () => {
    const payment = await fixture.pay(invoice)
    fixture.overrides.capture = loseCall
    expect(await settle(payment)).toMatchObject({
      invoice: { status: 'paid' },
      payment: { status: 'authorized' },
    })
    expect(await fixture.stock(offer)).toBe('8/0/2')
  })
})

describe('an authorisation that comes after the attempt was given up', () => {
  it('is voided, never captured, and the invoice is unpaid again', async () => {
    const payment = await fixture.pay(invoice)
    expect(await fixture.run(giveUpPayment(payment.id, fixture.clock.now()))).toBe(true)
    expect(await settle(payment)).toMatchObject({
      invoice: { status: 'unpaid', paidAt: null },
      payment: { status: 'voided' },
    })
    expect(fixture.operations()).toEqual(told(payment, 'authorize authorized', 'void voided'))
    expect(await fixture.stock(offer)).toBe('8/2/0')
  })

  it('stays owed a void while the provider is silent; the invoice takes no second attempt', async () => {
    const payment = await fixture.pay(invoice)
    await fixture.run(giveUpPayment(payment.id, fixture.clock.now()))
    fixture.overrides.void = loseCall
    await expect(settle(payment)).rejects.toThrow(ProviderUnavailableError)
    expect(await fixture.status('invoices', invoice.id)).toBe('paying')
    await expect(fixture.pay(invoice)).rejects.toThrow('payment_in_progress')
    delete fixture.overrides.void
    await fixture.settlement.resolve({ ...payment, dueAt: invoice.dueAt, waiting: 0 })
    expect(await invoiceNow()).toMatchObject({ status: 'unpaid' })
    expect(await settle(await fixture.pay(invoice))).toMatchObject({ invoice: { status: 'paid' } })
  })
})
