/**
 * A payment attempt moves `authorizing → authorized → captured`, or ends as `declined` or `voided`.
 * An invoice has at most one live attempt. Money that arrives for an ended attempt moves it
 * `declined | voided → late → authorized` when it pays the invoice after all, or `late → stranded`
 * when it cannot and a person has to decide.
 */
export const paymentStatuses = [
  'authorizing',
  'authorized',
  'captured',
  'declined',
  'voided',
  'late',
  'stranded',
] as const
export type PaymentStatus = (typeof paymentStatuses)[number]

/** The reasons why late money could not pay its invoice. */
export const strandedReasons = [
  'sold_out',
  'purchase_limit_reached',
  'sale_cancelled',
  'invoice_cancelled',
  'paid_already',
  'more_than_once',
  'amount_changed',
] as const
export type StrandedReason = (typeof strandedReasons)[number]

/** The reasons for an entry on the attention list; a restored copy has `forgotten` the last kind. */
export const attentionReasons = [...strandedReasons, 'forgotten'] as const
export type AttentionReason = (typeof attentionReasons)[number]

/**
 * Final answers to a request to pay, other than "paid". `paid_otherwise`: the invoice is paid, not with this
 * attempt.
 */
export type ToldAnswer = 'declined' | 'given_up' | 'paid_otherwise' | 'needs_attention'

export interface Payment {
  readonly id: string
  readonly invoiceId: string
  readonly status: PaymentStatus
  readonly method: string
  readonly amountMinor: number
  readonly currency: string
  readonly declineCode: string | null
  /** The final answer that its key was given before; null when there was none, or when it paid. */
  readonly toldAnswer: ToldAnswer | null
  readonly createdAt: number
}
