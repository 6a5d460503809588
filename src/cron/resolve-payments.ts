import type { Clock } from '../clock.ts'
import type { Database } from '../db/database.ts'
import {
  readUnsettled,
  touchPayment,
  type UnsettledPayment,
} from '../db/payments/unsettled-payments.ts'
import type { Logger } from '../logger.ts'
import type { PaymentSettlement } from '../payments/pay.ts'
import type { Job } from './scheduler.ts'

export interface ResolvePaymentsOptions {
  readonly database: Database
  readonly settlement: PaymentSettlement
  readonly clock: Clock
  readonly logger: Logger
}

/**
 * The resolver leaves an attempt alone for this long, so that the handler which began it can
 * finish. Resolving too early costs a retry, not money.
 */
const untouchedMs = 15_000
const batchSizeMax = 50
/** A round begins no further batch after this time. */
const roundMsMax = 30_000
/**
 * The provider is asked for this many payments at once. A silent provider uses up its whole
 * deadline for each question, so a round that asks one after the other would take minutes.
 */
const atOnceMax = 10

/**
 * Makes the job that settles attempts without progress: their answer was lost, or the process that
 * waited for it died. It asks the provider for the state of each and never assumes one.
 */
export function createResolvePayments(options: ResolvePaymentsOptions): Job['run'] {
  const { database, settlement, clock, logger } = options

  /** Settles one attempt. Returns false when the provider gave no answer. */
  async function resolve(payment: UnsettledPayment): Promise<boolean> {
    let isAnswered = true
    try {
      await settlement.resolve(payment)
    } catch (error) {
      isAnswered = false
      logger.warn({ err: error, paymentId: payment.id }, 'payment not resolved yet')
    }
    await database.transaction(() => touchPayment(payment.id, clock.now()))
    return isAnswered
  }

  /**
   * Settles one batch of attempts. Returns true when another batch is worth reading in this round.
   */
  async function resolveBatch(
    untouchedSince: number,
    mayContinue: () => boolean,
  ): Promise<boolean> {
    const unsettled = await database.read(() => readUnsettled(untouchedSince, batchSizeMax))
    let isWorthMore = unsettled.length === batchSizeMax
    for (let from = 0; from < unsettled.length; from += atOnceMax) {
      if (!mayContinue()) return false
      const answers = await Promise.all(unsettled.slice(from, from + atOnceMax).map(resolve))
      isWorthMore &&= answers.every(Boolean)
    }
    return isWorthMore
  }

  return async (mayContinue) => {
    const untouchedSince = clock.now() - untouchedMs
    const endsAt = clock.monotonic() + roundMsMax
    while (await resolveBatch(untouchedSince, mayContinue)) if (clock.monotonic() >= endsAt) return
  }
}
