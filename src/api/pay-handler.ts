import type { Cancel, Clock } from '../clock.ts'
import type { Database } from '../db/database.ts'
import { beginPayment, type BeginPayment } from '../db/payments/begin-payment.ts'
import { answerOf, tellAnswer, type AttemptAnswer } from '../db/payments/tell-answer.ts'
import type { Invoice } from '../domain/invoice.ts'
import type { Payment } from '../domain/payment.ts'
import type { NewId } from '../ids.ts'
import type { Service } from '../lifecycle.ts'
import type { Logger } from '../logger.ts'
import type { PaymentSettlement, Settled } from '../payments/pay.ts'
import { problem, ProblemError } from './http/problem.ts'
import { json, type RouteReply } from './http/route.ts'
import { invoiceView, paymentView } from './routes/views.ts'

/**
 * Handles `POST /v1/invoices/{id}/pay`: begins the attempt in one guarded transaction and waits for
 * its settlement. When the provider takes longer than 2 s it answers 202, and the settlement
 * continues.
 */
export interface PayHandler extends Service {
  pay(wish: PayWish): Promise<RouteReply>
}

export interface PayWish {
  readonly userId: number
  readonly invoiceId: string
  readonly method: string
  readonly idempotencyKey: string | undefined
}

export interface PayHandlerOptions {
  readonly database: Database
  readonly settlement: PaymentSettlement
  readonly clock: Clock
  readonly newId: NewId
  readonly logger: Logger
}

/** A shopper's request waits this long for the provider. */
const replyTimeoutMs = 2_000
const settlementsMax = 10_000

export function createPayHandler(options: PayHandlerOptions): PayHandler {
  const { database, settlement, clock, newId, logger } = options
  const underWay = new Map<string, Promise<Settled | undefined>>()

  async function pay(wish: PayWish): Promise<RouteReply> {
    if (underWay.size >= settlementsMax) return problem('overloaded')
    const idempotencyKey = wish.idempotencyKey ?? newId()
    const reply = await payOnce({ ...wish, idempotencyKey, paymentId: newId(), now: clock.now() })
    return { ...reply, headers: { ...reply.headers, 'idempotency-key': idempotencyKey } }
  }

  async function payOnce(attempt: BeginPayment): Promise<RouteReply> {
    const begun = await database.transaction(() => beginPayment(attempt))
    switch (begun.kind) {
      case 'begun':
        underWay.set(begun.payment.id, settle(begun.invoice, begun.payment))
        return answer(begun)
      case 'repeated':
        return replayed(await answer(begun))
      case 'nothing_to_pay':
        return paidReply(begun.invoice, begun.payment)
      case 'already_paid':
        return paidReply(begun.invoice, begun.payment)
      case 'not_found':
        throw new ProblemError('not_found')
      case 'key_reused':
        return problem('idempotency_key_reused')
      case 'payment_in_progress':
        return problem('payment_in_progress')
      case 'expired':
        return problem('invoice_expired')
      case 'cancelled':
        return problem('invoice_cancelled')
      case 'needs_attention':
        return problem('invoice_needs_attention')
    }
  }

  async function settle(invoice: Invoice, payment: Payment): Promise<Settled | undefined> {
    const { id: paymentId, amountMinor, currency, method } = payment
    try {
      const order = { paymentId, invoiceId: invoice.id, amountMinor, currency, method }
      return await settlement.settle(order)
    } catch (error) {
      // The result is unknown: the resolver asks the provider for it.
      logger.warn({ err: error, paymentId }, 'payment has no answer yet')
      return undefined
    } finally {
      underWay.delete(paymentId)
    }
  }

  /**
   * Waits for a settlement that runs in this process, and answers with the state of the attempt.
   */
  async function answer({ invoice, payment }: Settled): Promise<RouteReply> {
    const settling = underWay.get(payment.id)
    if (settling === undefined) return tell({ invoice, payment })
    let cancel: Cancel = () => undefined
    const timeout = new Promise<undefined>((resolve) => {
      cancel = clock.after(replyTimeoutMs, () => {
        resolve(undefined)
      })
    })
    const settled = await Promise.race([settling, timeout])
    cancel()
    return tell(settled ?? { invoice, payment })
  }

  /** A final answer is written down before it is told, so that its key gets it again. */
  async function tell(attempt: Settled): Promise<RouteReply> {
    const answer = answerOf(attempt)
    const needsNoMemory = answer === 'paid' || answer === 'pending'
    if (needsNoMemory || attempt.payment.toldAnswer !== null) return present({ ...attempt, answer })
    return present(await database.transaction(() => tellAnswer(attempt.payment.id)))
  }

  return {
    name: 'payments under way',
    pay,
    start: () => Promise.resolve(),
    async stop() {
      await Promise.all(underWay.values())
    },
  }
}

function present({ invoice, payment, answer }: AttemptAnswer): RouteReply {
  switch (answer) {
    case 'paid':
      return paidReply(invoice, payment)
    case 'paid_otherwise':
      return paidReply(invoice, undefined)
    case 'pending':
      return pendingReply(invoice, payment)
    case 'declined':
      return problem('payment_declined', payment.declineCode ?? undefined)
    case 'given_up':
      return problem('payment_declined', 'given_up')
    case 'needs_attention':
      return problem('invoice_needs_attention')
  }
}

function paidReply(invoice: Invoice, payment: Payment | undefined): RouteReply {
  const paid = payment === undefined ? null : paymentView(payment)
  return json(200, { invoice: invoiceView(invoice), payment: paid })
}

function pendingReply(invoice: Invoice, payment: Payment): RouteReply {
  const body = { invoice: invoiceView(invoice), payment: paymentView(payment) }
  return json(202, body, { location: `/v1/invoices/${invoice.id}`, 'retry-after': '1' })
}

function replayed(reply: RouteReply): RouteReply {
  return { ...reply, headers: { ...reply.headers, 'idempotency-replayed': 'true' } }
}
