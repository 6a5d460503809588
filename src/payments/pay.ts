import { readPayment } from '../db/payments/read-payment.ts'
import { type UnsettledPayment } from '../db/payments/unsettled-payments.ts'
import type { Invoice } from '../domain/invoice.ts'
import type { Payment } from '../domain/payment.ts'
import { createMoneySteps, type MoneyStepsOptions } from './money-steps.ts'
import {
  isOtherMoney,
  ProviderUnavailableError,
  type PaymentOrder,
  type ProviderPayment,
} from './provider.ts'

/**
 * Settles payments in this order: authorise, then move the invoice to paid in one guarded
 * transaction, only then capture; otherwise void. The provider is never awaited inside a
 * transaction. When it does not answer, the resolver asks later, and no result is assumed.
 */
export interface PaymentSettlement {
  /**
   * Takes a begun attempt to its end. Throws ProviderUnavailableError when the provider is silent.
   */
  settle(order: PaymentOrder): Promise<Settled>
  /** Takes up an attempt without progress and asks the provider for its state. */
  resolve(payment: UnsettledPayment): Promise<void>
  /**
   * Asks the provider about a payment to which something happened, by a webhook or the audit. It
   * gives no attempt up. Returns false when no attempt here has this id.
   */
  learn(paymentId: string): Promise<boolean>
}

export interface Settled {
  readonly invoice: Invoice
  readonly payment: Payment
}

export function createPaymentSettlement(options: MoneyStepsOptions): PaymentSettlement {
  const { database, provider, clock, logger } = options
  const steps = createMoneySteps(options)

  async function settle(order: PaymentOrder): Promise<Settled> {
    const authorization = await provider.authorize(order)
    switch (authorization.kind) {
      case 'declined':
        await steps.decline(order.paymentId, authorization.code)
        break
      case 'authorized':
        await steps.authorized(order.paymentId)
        break
      case 'pending':
      // The shopper's bank takes its time, and a webhook or the resolver continues later.
    }
    const settled = await database.read(() => readPayment(order.paymentId))
    if (settled === undefined) throw new Error(`payment ${order.paymentId} is missing`)
    return settled
  }

  async function resolve(payment: UnsettledPayment): Promise<void> {
    const known = await provider.find(payment.id)
    await apply(payment, known)
    if (isToBeGivenUp(payment, known, clock.now())) await steps.giveUp(payment.id)
  }

  async function learn(paymentId: string): Promise<boolean> {
    // The attempt is read before the provider is asked: one that has ended now had ended before the
    // answer.
    const attempt = await database.read(() => readPayment(paymentId))
    if (attempt === undefined) return false
    await apply(attempt.payment, await provider.find(paymentId))
    return true
  }

  /** Applies the provider's decision; does nothing when there is none. */
  async function apply(payment: Payment, known: ProviderPayment | undefined): Promise<void> {
    if (payment.status === 'captured' || payment.status === 'stranded') return
    if (known !== undefined) assertSameMoney(payment, known)
    switch (known?.status) {
      case 'declined':
        if (payment.status === 'late') return steps.drop(payment.id)
        return steps.decline(payment.id, known.declineCode ?? 'declined')
      case 'authorized':
        return hasEnded(payment) ? steps.authorizedLate(payment.id) : steps.authorized(payment.id)
      case 'captured':
        return steps.moved(payment.id)
      case 'voided':
        if (payment.status === 'late') await steps.drop(payment.id)
        return
      case 'pending':
      case undefined:
    }
  }

  /**
   * Throws when the provider has another amount, currency or invoice: the attempt stays open and
   * the audit reports it.
   */
  function assertSameMoney(payment: Payment, known: ProviderPayment): void {
    if (!isOtherMoney(known, payment)) return
    const { id: paymentId, amountMinor, currency } = payment
    const theirs = { amountMinor: known.amountMinor, currency: known.currency }
    const what = 'the provider has another amount'
    logger.error({ paymentId, amountMinor, currency, theirs }, what)
    throw new ProviderUnavailableError(`${what} for payment ${paymentId}`)
  }

  return { settle, resolve, learn }
}

const hasEnded = ({ status }: Payment): boolean =>
  status === 'declined' || status === 'voided' || status === 'late'

/**
 * Tells whether an attempt must be given up: the provider does not know it, or has voided it. A
 * pending push payment has time until its invoice is due, or until the money of another payment has
 * arrived.
 */
function isToBeGivenUp(
  payment: UnsettledPayment,
  known: ProviderPayment | undefined,
  now: number,
): boolean {
  if (payment.status !== 'authorizing') return false
  if (known?.status === 'pending') return payment.dueAt <= now || payment.waiting > 0
  return known === undefined || known.status === 'voided'
}
