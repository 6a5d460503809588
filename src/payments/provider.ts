/**
 * The payment provider port. The payment's id is the idempotency key of everything said about it:
 * a call repeated with the same id changes nothing and gives the same answer.
 *
 * Every method has a deadline of its own and throws `ProviderUnavailableError` when no answer came. What happened then is
 * unknown; only `find` may tell, nobody guesses.
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
   * cannot be forbidden, only no longer be waited for: `find` may say `captured` afterwards.
   * @throws AlreadyCapturedError when the money has moved.
   */
  void(paymentId: string): Promise<void>
  /** What the provider knows of this id; undefined when it never heard of it. */
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

/** `pending`: a push payment, which the shopper's bank moves by itself or never. `find` tells later. */
export type Authorization =
  { readonly kind: 'authorized' | 'pending' } | { readonly kind: 'declined'; readonly code: string }

export interface ProviderPayment {
  readonly paymentId: string
  readonly status: 'pending' | 'authorized' | 'captured' | 'declined' | 'voided'
  readonly declineCode: string | null
  readonly amountMinor: number
  readonly currency: string
}

/** Money is set aside or has moved, but not what was ordered. A void of an unknown payment names none. */
export function isOtherMoney(
  known: ProviderPayment,
  ordered: Pick<PaymentOrder, 'amountMinor' | 'currency'>,
): boolean {
  if (known.status !== 'authorized' && known.status !== 'captured') return false
  return known.amountMinor !== ordered.amountMinor || known.currency !== ordered.currency
}

/** The provider did not answer, or not in words we know: whether it did what was asked is unknown. */
export class ProviderUnavailableError extends Error {
  override readonly name = 'ProviderUnavailableError'
}

/** The money of this payment has moved already and cannot be given up. */
export class AlreadyCapturedError extends Error {
  override readonly name = 'AlreadyCapturedError'
}
