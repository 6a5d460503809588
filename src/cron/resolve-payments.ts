import type { Clock } from '../clock.ts'
import type { Database } from '../db/database.ts'
import { readUnsettled, touchPayment, type UnsettledPayment } from '../db/payments.ts'
import type { Logger } from '../logger.ts'
import type { PaymentSettlement } from '../payments/pay.ts'

export interface ResolvePaymentsOptions {
  readonly database: Database
  readonly settlement: PaymentSettlement
  readonly clock: Clock
  readonly logger: Logger
}

/** So that the handler's own attempt comes first. Taking one up too early costs a retry, not money. */
const untouchedMs = 15_000
const batchSizeMax = 50
/** A silent provider takes its whole deadline for each: one after the other a round would take minutes. */
const atOnceMax = 10

/**
 * Takes up attempts nobody has moved for a while: the answer was lost, or the process that waited for
 * it. The provider is asked what it knows; nothing is guessed.
 */
export function createResolvePayments(options: ResolvePaymentsOptions): () => Promise<void> {
  const { database, settlement, clock, logger } = options

  async function resolve(payment: UnsettledPayment): Promise<void> {
    try {
      await settlement.resolve(payment)
    } catch (error) {
      logger.warn({ err: error, paymentId: payment.id }, 'payment not resolved yet')
    }
    await database.transaction(() => touchPayment(payment.id, clock.now()))
  }

  return async () => {
    const untouchedSince = clock.now() - untouchedMs
    const unsettled = await database.read(() => readUnsettled(untouchedSince, batchSizeMax))
    for (let from = 0; from < unsettled.length; from += atOnceMax) {
      await Promise.all(unsettled.slice(from, from + atOnceMax).map(resolve))
    }
  }
}
