/**
 * The payment provider port. The id of a payment is the idempotency key of every call about it: a
 * repeated call changes nothing and gives the same answer. Every method has a deadline of its own
 * and throws `ProviderUnavailableError` without an answer. The result is then unknown, and only
 * `find` can tell it.
 */
export interface PaymentProvider {
  /**
   * Sets money aside at the shopper's bank. After a void it declines with `voided`.
   * @throws Error when the same id comes with another amount, currency or invoice: a bug of ours.
   */
  authorize(order: PaymentOrder): Promise<Authorization>
  /**
   * Moves the money; repeated calls move it once. It resolves only when the money has moved.
   * @throws Error without an authorisation: a bug of ours.
   */
  capture(paymentId: string): Promise<void>
  /**
   * Gives up the authorisation, or makes sure that none can come for this id any more. A push payment
   * cannot be prevented: `find` may say `captured` afterwards.
   * @throws AlreadyCapturedError when the money has moved.
   */
  void(paymentId: string): Promise<void>
  /** Returns what the provider knows of this id; undefined when it does not know it. */
  find(paymentId: string): Promise<ProviderPayment | undefined>
}

export interface PaymentOrder {
  readonly paymentId: string
  readonly invoiceId: string
  /** Minor units of `currency`. */
  readonly amountMinor: number
  readonly currency: string
  /** The shopper's payment method token, such as `pm_ok`. */
  readonly method: string
}

/**
 * `pending`: a push payment, which the shopper's bank moves by itself or never. `find` tells later.
 */
export type Authorization =
  { readonly kind: 'authorized' | 'pending' } | { readonly kind: 'declined'; readonly code: string }

export interface ProviderPayment {
  readonly paymentId: string
  readonly status: 'pending' | 'authorized' | 'captured' | 'declined' | 'voided'
  readonly declineCode: string | null
  readonly amountMinor: number
  readonly currency: string
}

/**
 * Tells whether the provider has money for another order than ours. A void of an unknown payment
 * has none.
 */
export function isOtherMoney(
  known: ProviderPayment,
  ordered: Pick<PaymentOrder, 'amountMinor' | 'currency'>,
): boolean {
  if (known.status !== 'authorized' && known.status !== 'captured') return false
  return known.amountMinor !== ordered.amountMinor || known.currency !== ordered.currency
}

/** Thrown without an understandable answer of the provider: the result of the call is unknown. */
export class ProviderUnavailableError extends Error {
  override readonly name = 'ProviderUnavailableError'
}

/** Thrown by a void of a payment whose money has moved already. */
export class AlreadyCapturedError extends Error {
  override readonly name = 'AlreadyCapturedError'
}
