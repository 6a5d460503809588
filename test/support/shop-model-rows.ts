import type { FlashSaleState } from '../../src/domain/flash-sale.ts'
import type { InvoiceStatus } from '../../src/domain/invoice.ts'
import type { PaymentStatus } from '../../src/domain/payment.ts'

/** A sale of the model. This file has all rows of the model. */
export interface ModelSale {
  readonly id: number
  state: FlashSaleState
  readonly startsAt: number
  readonly endsAt: number
  readonly holdMs: number
}

export interface ModelProduct {
  readonly id: number
  readonly sale: ModelSale
  readonly priceMinor: number
  readonly purchaseLimit: number | undefined
  allotment: number
}

export interface ModelHold {
  readonly id: string
  readonly userId: number
  readonly key: string
  readonly productId: number
  readonly quantity: number
  readonly expiresAt: number
  /** The number of its owner's cart. */
  readonly cart: number
  invoiceId: string | undefined
  status: 'held' | 'sold' | 'released' | 'expired'
}

export interface ModelInvoice {
  readonly id: string
  readonly userId: number
  readonly key: string
  totalMinor: number
  /** The longest hold time among its lines at checkout. */
  readonly holdMs: number
  /** Ids of the holds its lines point at, without those of called-off sales. */
  lines: string[]
  status: InvoiceStatus
  dueAt: number
  isExtended: boolean
}

export interface ModelWish {
  readonly requestId: string
  readonly userId: number
  readonly key: string
  readonly productId: number
  readonly quantity: number
  readonly refuseUnlessRecorded: 'too_late' | 'sold_out' | undefined
}

export interface ModelPayment {
  readonly id: string
  readonly userId: number
  readonly invoiceId: string
  readonly key: string
  readonly method: string
  readonly amountMinor: number
  status: PaymentStatus
  isGivenUp: boolean
}

export interface ModelAttempt {
  readonly id: string
  readonly userId: number
  readonly invoiceId: string
  readonly key: string
  readonly method: string
}

/** The part of the model that the money part uses. */
export interface ModelShop {
  readonly now: number
  readonly holds: ModelHold[]
  readonly invoices: readonly ModelInvoice[]
  readonly payments: ModelPayment[]
  available(productId: number): number
  taken(productId: number, userId?: number): number
  product(productId: number): ModelProduct
  /** Returns the holds of the invoice's lines. */
  holdsOf(invoice: ModelInvoice): readonly ModelHold[]
}
