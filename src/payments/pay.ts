import type { Clock } from '../clock.ts'
import type { Database } from '../db/database.ts'
import {
  endPayment,
  giveUpPayment,
  markCaptured,
  readPayment,
  settleAuthorized,
} from '../db/payments.ts'
import type { Invoice } from '../domain/invoice.ts'
import type { Payment } from '../domain/payment.ts'
import type { Logger } from '../logger.ts'
import type { PaymentOrder, PaymentProvider } from './provider.ts'

/**
 * The money order of steps: authorise, then move the invoice to paid in one guarded transaction, only
 * then capture; otherwise void. Nothing here awaits the provider inside a transaction, and an
 * answer that did not come is left to the resolver, never guessed.
 */
export interface PaymentSettlement {
  /** Takes a begun attempt to its end. Throws ProviderUnavailableError when the provider is silent. */
  settle(order: PaymentOrder): Promise<Settled>
  /** Takes up an attempt somebody else left, by asking the provider what it knows. */
  resolve(payment: Payment): Promise<void>
}

export interface Settled {
  readonly invoice: Invoice
  readonly payment: Payment
}

export interface PaymentSettlementOptions {
  readonly database: Database
  readonly provider: PaymentProvider
  readonly clock: Clock
  readonly logger: Logger
}

export function createPaymentSettlement(options: PaymentSettlementOptions): PaymentSettlement {
  const { database, provider, clock, logger } = options

  async function settle(order: PaymentOrder): Promise<Settled> {
    const authorization = await provider.authorize(order)
    if (authorization.kind === 'declined') await decline(order.paymentId, authorization.code)
    else await authorized(order.paymentId)
    const settled = await database.read(() => readPayment(order.paymentId))
    if (settled === undefined) throw new Error(`payment ${order.paymentId} is missing`)
    return settled
  }

  async function decline(paymentId: string, code: string): Promise<void> {
    await database.transaction(() =>
      endPayment(paymentId, { status: 'declined', code }, clock.now()),
    )
  }

  async function authorized(paymentId: string): Promise<void> {
    const next = await database.transaction(() => settleAuthorized(paymentId, clock.now()))
    if (next === 'void') return voidPayment(paymentId)
    try {
      await capture(paymentId)
    } catch (error) {
      // The invoice is paid for ever; the resolver captures until the provider confirms.
      logger.warn({ err: error, paymentId }, 'capture is not confirmed yet')
    }
  }

  async function capture(paymentId: string): Promise<void> {
    await provider.capture(paymentId)
    await database.transaction(() => markCaptured(paymentId, clock.now()))
  }

  async function voidPayment(paymentId: string): Promise<void> {
    await provider.void(paymentId)
    await database.transaction(() =>
      endPayment(paymentId, { status: 'voided', code: null }, clock.now()),
    )
  }

  async function resolve(payment: Payment): Promise<void> {
    const known = await provider.find(payment.id)
    switch (known?.status) {
      case 'declined':
        return decline(payment.id, known.declineCode ?? 'declined')
      case 'authorized':
        return authorized(payment.id)
      case 'captured':
        await database.transaction(() => settleAuthorized(payment.id, clock.now()))
        return capture(payment.id)
      case 'voided':
      case undefined:
        return giveUp(payment.id)
    }
  }

  /**
   * Unknown to the provider may mean "still on its way": the void makes sure it never comes. Our own
   * guard is first, or an authorisation that arrives meanwhile would be voided after it paid.
   */
  async function giveUp(paymentId: string): Promise<void> {
    const givenUp = await database.transaction(() => giveUpPayment(paymentId, clock.now()))
    if (givenUp) await voidPayment(paymentId)
  }

  return { settle, resolve }
}
