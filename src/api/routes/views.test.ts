import { describe, expect, it } from 'vitest'
import type { Invoice } from '../../domain/invoice.ts'
import type { Payment } from '../../domain/payment.ts'
import type { Reservation } from '../../domain/reservation.ts'
import * as schemas from './schemas.ts'
import { cartView, flashSaleView, invoiceView, paymentView, reservationView } from './views.ts'

const at = Date.UTC(2026, 11, 12, 12, 12, 0, 7)
const atText = '2026-12-12T12:12:00.007Z'
const id = '0197a1b2-0000-7000-8000-000000000001'

const reservation: Reservation = {
  id,
  productId: 3,
  quantity: 2,
  unitPriceMinor: 1_999,
  currency: 'EUR',
  status: 'held',
  expiresAt: at,
}
const line = { reservationId: id, productId: 3, name: 'Earbuds', quantity: 2 }
const invoice: Invoice = {
  id,
  userId: 9,
  status: 'unpaid',
  totalMinor: 3_998,
  currency: 'EUR',
  lines: [{ ...line, unitPriceMinor: 1_999, lineTotalMinor: 3_998 }],
  cancelledLines: [],
  dueAt: at,
  createdAt: at,
  paidAt: null,
}
const payment: Payment = {
  id,
  invoiceId: id,
  status: 'captured',
  method: 'pm_secret',
  amountMinor: 3_998,
  currency: 'EUR',
  declineCode: null,
  toldAnswer: null,
  createdAt: at,
}

describe('views', () => {
  it('show times in RFC 3339, UTC', () => {
    expect(reservationView(reservation).expiresAt).toBe(atText)
    expect(invoiceView(invoice)).toMatchObject({ dueAt: atText, createdAt: atText })
    expect(paymentView(payment).createdAt).toBe(atText)
  })

  it('fit the documented shapes', () => {
    expect(schemas.reservation.safeParse(reservationView(reservation)).success).toBe(true)
    expect(schemas.cart.safeParse(cartView([reservation])).success).toBe(true)
    expect(schemas.cart.safeParse(cartView([])).success).toBe(true)
    expect(schemas.invoice.safeParse(invoiceView(invoice)).success).toBe(true)
    expect(schemas.invoice.safeParse(invoiceView({ ...invoice, paidAt: at })).success).toBe(true)
    expect(schemas.payment.safeParse(paymentView(payment)).success).toBe(true)
  })

  it('add a cart up and say when its first item goes', () => {
    const later = { ...reservation, quantity: 1, unitPriceMinor: 5, expiresAt: at + 1_000 }
    const { totalMinor, currency, expiresAt } = cartView([later, reservation])
    expect({ totalMinor, currency, expiresAt }).toEqual({
      totalMinor: 4_003,
      currency: 'EUR',
      expiresAt: atText,
    })
    const empty = { items: [], totalMinor: 0, currency: null, expiresAt: null }
    expect(cartView([])).toEqual(empty)
  })

  it('say when an invoice was paid only if it was', () => {
    expect(invoiceView(invoice)).not.toHaveProperty('paidAt')
    expect(invoiceView({ ...invoice, paidAt: at })).toHaveProperty('paidAt', atText)
  })

  it('never show how somebody paid', () => {
    expect(JSON.stringify(paymentView(payment))).not.toContain('pm_secret')
    expect(paymentView(payment)).not.toHaveProperty('declineCode')
    const declined = { ...payment, declineCode: 'card_declined' }
    expect(paymentView(declined)).toHaveProperty('declineCode', 'card_declined')
  })

  it('show a sale as the clock has it, with the time of the server', () => {
    const sale = {
      id: 1,
      name: '12.12',
      state: 'open' as const,
      holdSeconds: 300,
      products: [],
      startsAt: at,
      endsAt: at + 1_000,
    }
    const statuses = [at - 1, at, at + 999, at + 1_000].map(
      (now) => flashSaleView(sale, now).status,
    )
    expect(statuses).toEqual(['scheduled', 'active', 'active', 'ended'])
    const paused = flashSaleView({ ...sale, state: 'paused' }, at)
    expect(paused).toMatchObject({ status: 'paused', serverTime: atText })
    expect(schemas.flashSale.safeParse(paused).success).toBe(true)
  })
})
