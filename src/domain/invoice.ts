/**
 * An invoice moves `unpaid → paying → paid`, `paying → unpaid` when the card is declined, or
 * `unpaid → cancelled | expired`. A paid invoice stays paid. Late money moves it `unpaid | expired
 * → paid` or `expired | cancelled → needs_attention`.
 */
export const invoiceStatuses = [
  'unpaid',
  'paying',
  'paid',
  'cancelled',
  'expired',
  'needs_attention',
] as const
export type InvoiceStatus = (typeof invoiceStatuses)[number]

export interface InvoiceLine {
  readonly reservationId: string
  readonly productId: number
  readonly name: string
  readonly quantity: number
  readonly unitPriceMinor: number
  readonly lineTotalMinor: number
}

/** Times in epoch ms, money in minor units of `currency`. */
export interface Invoice {
  readonly id: string
  readonly userId: number
  readonly status: InvoiceStatus
  /** The lines that make the total. */
  readonly lines: readonly InvoiceLine[]
  /** Lines that left it because their sale was called off. */
  readonly cancelledLines: readonly InvoiceLine[]
  readonly totalMinor: number
  readonly currency: string
  readonly dueAt: number
  readonly createdAt: number
  readonly paidAt: number | null
}

/**
 * A card that is declined at the last second leaves the shopper this long for another card, but
 * never longer than one hold time. It happens once per invoice; otherwise declined cards could keep
 * a unit for ever.
 */
export const declineGraceMs = 60_000
