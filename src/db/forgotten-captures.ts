import type { CapturedPayment } from '../payments/ledger.ts'
import { all, first, type Script } from './database.ts'

/**
 * Payments that the provider has captured and this database does not know: it was restored from a copy that
 * is older than they are. A person decides about each; the program neither pays them back nor forgets them.
 */

const insertForgotten = `
  insert into forgotten_captures (payment_id, invoice_id, amount_minor, currency, captured_at, found_at)
  select ?, ?, ?, ?, ?, ?
  where not exists (select 1 from payments where id = ?)
  on conflict (payment_id) do nothing
  returning payment_id`

/** Puts a payment on the attention list, once. False when it is there already or the payment is known here. */
export function* recordForgottenCapture(capture: CapturedPayment, now: number): Script<boolean> {
  const { paymentId, invoiceId, amountMinor, currency, capturedAt } = capture
  const inserted = yield* first(
    insertForgotten,
    paymentId,
    invoiceId,
    amountMinor,
    currency,
    capturedAt,
    now,
    paymentId,
  )
  return inserted !== undefined
}

const selectRange = `
  select payment_id as "paymentId", invoice_id as "invoiceId", amount_minor as "amountMinor",
    currency, captured_at as "capturedAt"
  from forgotten_captures
  where payment_id > ? and payment_id <= ?
  order by payment_id`

/** All that are known, closed ones too, in the range of ids `after < id <= last`. */
export function* readForgottenBetween(
  after: string,
  last: string,
): Script<readonly CapturedPayment[]> {
  return yield* all<CapturedPayment>(selectRange, after, last)
}
