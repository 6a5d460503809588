/**
 * `unpaid → paying → paid`; `paying → unpaid` (declined); `unpaid → cancelled | expired`. Nothing leaves `paid`.
 * Money that comes late: `unpaid | expired → paid`, or `expired | cancelled → needs_attention`.
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
  readonly lines: readonly InvoiceLine[]
  readonly totalMinor: number
  readonly currency: string
  readonly dueAt: number
  readonly createdAt: number
  readonly paidAt: number | null
}

/**
 * The first declined card that comes late leaves at least this long to try another one, bounded by the hold
 * itself. Once per invoice: a hold is not extended again and again.
 */
export const declineGraceMs = 60_000
