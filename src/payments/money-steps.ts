import type { Clock } from '../clock.ts'
import type { Database, Script } from '../db/database.ts'
import { endPaymentThenPlace } from '../db/payments/decline.ts'
import { dropLate, placeEnded, placeMoved, type Placement } from '../db/payments/late-money.ts'
import { type AttemptEnd } from '../db/payments/decline.ts'
import { giveUpPayment } from '../db/payments/give-up-payment.ts'
import { markCaptured, settleAuthorized } from '../db/payments/settle-authorized.ts'
import type { NewId } from '../ids.ts'
import type { Logger } from '../logger.ts'
import { AlreadyCapturedError, type PaymentProvider } from './provider.ts'

/**
 * The steps of an attempt. Each is one guarded transaction and at most one call to the provider.
 */
export interface MoneySteps {
  /** Ends an attempt that the provider declined. */
  decline(paymentId: string, code: string): Promise<void>
  /**
   * Continues after the provider has set the money aside: pays the invoice and captures, or gives
   * it up.
   */
  authorized(paymentId: string): Promise<void>
  /** Places money that the provider has set aside for an attempt which had ended before. */
  authorizedLate(paymentId: string): Promise<void>
  /** Places money that has moved, also when the attempt was given up here. */
  moved(paymentId: string): Promise<void>
  /** Ends late money that the provider no longer has. */
  drop(paymentId: string): Promise<void>
  /** Gives an attempt up, so that it never pays. */
  giveUp(paymentId: string): Promise<void>
}

export interface MoneyStepsOptions {
  readonly database: Database
  readonly provider: PaymentProvider
  readonly clock: Clock
  readonly newId: NewId
  readonly logger: Logger
}

export function createMoneySteps(options: MoneyStepsOptions): MoneySteps {
  const { database, provider, clock, newId, logger } = options

  async function end(paymentId: string, how: AttemptEnd): Promise<void> {
    const now = clock.now()
    const next = await database.transaction(() => endPaymentThenPlace(paymentId, how, now))
    if (next !== undefined) await captureOrLeave(next)
  }

  async function authorized(paymentId: string): Promise<void> {
    const next = await database.transaction(() => settleAuthorized(paymentId, clock.now()))
    switch (next) {
      case 'capture':
        return captureOrLeave(paymentId)
      case 'void':
        return voidPayment(paymentId)
      case 'leave':
    }
  }

  async function captureOrLeave(paymentId: string): Promise<void> {
    try {
      await provider.capture(paymentId)
    } catch (error) {
      // The invoice is paid for ever; the resolver captures until the provider confirms.
      logger.warn({ err: error, paymentId }, 'capture is not confirmed yet')
      return
    }
    await database.transaction(() => markCaptured(paymentId, clock.now()))
  }

  async function voidPayment(paymentId: string): Promise<void> {
    try {
      await provider.void(paymentId)
    } catch (error) {
      if (!(error instanceof AlreadyCapturedError)) throw error
      // The push payment arrived before the void. Its money is there and the hold still exists.
      return place(paymentId, placeMoved)
    }
    await end(paymentId, { status: 'voided', code: null })
  }

  async function place(paymentId: string, script: Place): Promise<void> {
    const context = { now: clock.now(), newId }
    const placement = await database.transaction(() => script(paymentId, context))
    if (placement === 'stranded') logger.error({ paymentId }, 'money came that pays nothing')
    if (placement === 'capture') await captureOrLeave(paymentId)
  }

  async function drop(paymentId: string): Promise<void> {
    await database.transaction(() => dropLate(paymentId, clock.now()))
  }

  /**
   * Gives an attempt up. It may still be on its way to the provider, so a void makes sure that it
   * never pays. Our own guard comes first; otherwise an authorisation that arrives meanwhile could
   * pay the invoice and be voided afterwards.
   */
  async function giveUp(paymentId: string): Promise<void> {
    const givenUp = await database.transaction(() => giveUpPayment(paymentId, clock.now()))
    if (givenUp) await voidPayment(paymentId)
  }

  return {
    authorized,
    drop,
    giveUp,
    decline: (paymentId, code) => end(paymentId, { status: 'declined', code }),
    authorizedLate: (paymentId) => place(paymentId, placeEnded),
    moved: (paymentId) => place(paymentId, placeMoved),
  }
}

type Place = (
  paymentId: string,
  context: { readonly now: number; readonly newId: NewId },
) => Script<Placement>
