import type { Clock } from '../clock.ts'
import type { Database } from '../db/database.ts'
import { readUnsettled, touchPayment, type UnsettledPayment } from '../db/payments.ts'
import type { Logger } from '../logger.ts'
import type { PaymentSettlement } from '../payments/pay.ts'
import type { Job } from './scheduler.ts'

export interface ResolvePaymentsOptions {
  readonly database: Database
  readonly settlement: PaymentSettlement
  readonly clock: Clock
  readonly logger: Logger
}

/** So that the handler's own attempt comes first. Taking one up too early costs a retry, not money. */
const untouchedMs = 15_000
const batchSizeMax = 50
/** For one round, as long as the provider answers. */
const roundMsMax = 30_000
/** A silent provider takes its whole deadline for each: one after the other a round would take minutes. */
const atOnceMax = 10

/**
 * Takes up attempts nobody has moved for a while: the answer was lost, or the process that waited for
 * it. The provider is asked what it knows; nothing is guessed.
 */
export function createResolvePayments(options: ResolvePaymentsOptions): Job['run'] {
  const { database, settlement, clock, logger } = options

  /** False: the provider could not tell. */
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

  /** True: there may be more that can be resolved now. */
  async function resolveBatch(untouchedSince: number, goesOn: () => boolean): Promise<boolean> {
    const unsettled = await database.read(() => readUnsettled(untouchedSince, batchSizeMax))
    let isWorthMore = unsettled.length === batchSizeMax
    for (let from = 0; from < unsettled.length; from += atOnceMax) {
      if (!goesOn()) return false
      const answers = await Promise.all(unsettled.slice(from, from + atOnceMax).map(resolve))
      isWorthMore &&= answers.every(Boolean)
    }
    return isWorthMore
  }

  return async (goesOn) => {
    const untouchedSince = clock.now() - untouchedMs
    const endsAt = clock.monotonic() + roundMsMax
    while (await resolveBatch(untouchedSince, goesOn)) if (clock.monotonic() >= endsAt) return
  }
}
