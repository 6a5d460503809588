/** `authorizing → authorized → captured`; `→ declined | voided`. At most one live attempt per invoice. */
export const paymentStatuses = [
  'authorizing',
  'authorized',
  'captured',
  'declined',
  'voided',
] as const
export type PaymentStatus = (typeof paymentStatuses)[number]

export interface Payment {
  readonly id: string
  readonly invoiceId: string
  readonly status: PaymentStatus
  readonly method: string
  readonly amountMinor: number
  readonly currency: string
  readonly declineCode: string | null
  readonly createdAt: number
}
