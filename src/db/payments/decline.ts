import { declineGraceMs } from '../../domain/invoice.ts'
import { first, one, type Script } from '../database.ts'
import { payInvoice } from './pay-invoice.ts'

/** The end of an attempt without money: the provider declined it, or confirmed its void. */
export type AttemptEnd =
  | { readonly status: 'declined'; readonly code: string }
  | { readonly status: 'voided'; readonly code: null }

const endAttempt = `
  update payments set status = ?, decline_code = ?, updated_at = ?
  where id = ? and status in ('authorizing', 'authorized')
    and not exists (select 1 from invoices i where i.id = payments.invoice_id and i.status = 'paid')
  returning invoice_id as "invoiceId"`
const selectDue = `
  select due_at as "dueAt", hold_seconds as "holdSeconds", extended_at as "extendedAt"
  from invoices where id = ?`
const backToUnpaid = `
  update invoices set status = 'unpaid', due_at = ?, extended_at = ?
  where id = ? and status = 'paying'
  returning id`

/**
 * Ends an attempt that brought no money: its invoice goes from `paying` back to `unpaid`. A shopper
 * whose card is declined at the last second gets a minute for another card, once. Returns false
 * when the attempt was settled otherwise before.
 */
export function* endPayment(paymentId: string, end: AttemptEnd, now: number): Script<boolean> {
  const ended = yield* first<{ invoiceId: string }>(
    endAttempt,
    end.status,
    end.code,
    now,
    paymentId,
  )
  if (ended === undefined) return false
  const { invoiceId } = ended
  const due = yield* one<Due>(selectDue, invoiceId)
  const { dueAt, extendedAt } = extended(due, now)
  yield* first(backToUnpaid, dueAt, extendedAt, invoiceId)
  return true
}

interface Due {
  readonly dueAt: number
  readonly holdSeconds: number
  readonly extendedAt: number | null
}

/** The due date moves once per invoice, and only when less than the grace is left. */
function extended({ dueAt, holdSeconds, extendedAt }: Due, now: number): Omit<Due, 'holdSeconds'> {
  const graceEndsAt = now + Math.min(declineGraceMs, holdSeconds * 1000)
  if (extendedAt !== null || graceEndsAt <= dueAt) return { dueAt, extendedAt }
  return { dueAt: graceEndsAt, extendedAt: now }
}

const takeWaiting = `
  update payments set status = 'authorized', updated_at = ?
  where id = (
    select waiting.id from payments as waiting
    join payments as ended on ended.invoice_id = waiting.invoice_id
    where ended.id = ? and waiting.status = 'late'
    order by waiting.id limit 1)
  returning id, invoice_id as "invoiceId"`

/**
 * Ends an attempt without money, and lets late money that waited for this end pay in the same
 * transaction: between two transactions the sweep could expire the invoice it is for. Returns the
 * payment to capture, if any.
 */
export function* endPaymentThenPlace(
  paymentId: string,
  end: AttemptEnd,
  now: number,
): Script<string | undefined> {
  if (!(yield* endPayment(paymentId, end, now))) return undefined
  const waiting = yield* first<{ id: string; invoiceId: string }>(takeWaiting, now, paymentId)
  if (waiting === undefined) return undefined
  const paid = yield* payInvoice(waiting.invoiceId, 'unpaid', now)
  if (!paid) throw new Error(`payment ${waiting.id} waited for an invoice that is not unpaid`)
  return waiting.id
}
