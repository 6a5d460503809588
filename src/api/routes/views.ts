import type { AdminAction } from '../../db/admin-actions.ts'
import type { AttentionEntry } from '../../db/attention.ts'
import type { ListedFlashSale } from '../../db/flash-sale-list.ts'
import type { FlashSaleRow } from '../../db/flash-sales.ts'
import { flashSaleStatus } from '../../domain/flash-sale.ts'
import type { Invoice } from '../../domain/invoice.ts'
import type { Payment } from '../../domain/payment.ts'
import type { Reservation } from '../../domain/reservation.ts'

/**
 * Formats a time as an RFC 3339 UTC string. The views below keep all other fields as their rows
 * have them.
 */
const timestamp = (epochMs: number): string => new Date(epochMs).toISOString()

export function reservationView(reservation: Reservation) {
  const { id, productId, quantity, unitPriceMinor, currency, status, expiresAt } = reservation
  const price = { unitPriceMinor, currency }
  return { id, productId, quantity, ...price, status, expiresAt: timestamp(expiresAt) }
}

export function cartView(items: readonly Reservation[]) {
  const [first] = items
  const expiresAt = items.length === 0 ? null : Math.min(...items.map((item) => item.expiresAt))
  return {
    items: items.map(reservationView),
    totalMinor: items.reduce((sum, item) => sum + item.quantity * item.unitPriceMinor, 0),
    currency: first?.currency ?? null,
    expiresAt: expiresAt === null ? null : timestamp(expiresAt),
  }
}

export function invoiceView(invoice: Invoice) {
  const { id, userId, status, lines, cancelledLines, totalMinor, currency } = invoice
  const { dueAt, createdAt, paidAt } = invoice
  return {
    id,
    userId,
    status,
    lines,
    ...(cancelledLines.length > 0 && { cancelledLines }),
    totalMinor,
    currency,
    dueAt: timestamp(dueAt),
    createdAt: timestamp(createdAt),
    ...(paidAt !== null && { paidAt: timestamp(paidAt) }),
  }
}

export function paymentView(payment: Payment) {
  const { id, status, amountMinor, currency, declineCode, createdAt } = payment
  return {
    id,
    status,
    amountMinor,
    currency,
    ...(declineCode !== null && { declineCode }),
    createdAt: timestamp(createdAt),
  }
}

export function attentionView({ since, ...payment }: AttentionEntry) {
  return { ...payment, since: timestamp(since) }
}

export function flashSaleView(sale: FlashSaleRow, now: number) {
  const { id, name, startsAt, endsAt, holdSeconds, products } = sale
  return {
    id,
    name,
    status: flashSaleStatus(sale, now),
    startsAt: timestamp(startsAt),
    endsAt: timestamp(endsAt),
    holdSeconds,
    serverTime: timestamp(now),
    products,
  }
}

export function listedFlashSaleView(sale: ListedFlashSale, now: number) {
  return { ...flashSaleView(sale, now), moreProducts: sale.moreProducts }
}

export function adminActionView(action: AdminAction) {
  const { id, route, details, outcome, requestId, address, createdAt } = action
  const { params, body } = JSON.parse(details) as Readonly<Record<'params' | 'body', object>>
  return { id, route, params, body, outcome, requestId, address, createdAt: timestamp(createdAt) }
}
