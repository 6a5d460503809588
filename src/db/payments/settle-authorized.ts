import type { InvoiceStatus } from '../../domain/invoice.ts'
import type { PaymentStatus } from '../../domain/payment.ts'
import { first, type Script } from '../database.ts'
import { giveUpPayment } from './give-up-payment.ts'
import { payInvoice } from './pay-invoice.ts'

/**
 * The next step after the provider has authorised an attempt. `capture`: its invoice is paid, the money is
 * to be captured. `void`: it does not pay, the authorisation is to be given up. `leave`: it is late
 * money, which `late-money.ts` places.
 */
export type AuthorizedNext = 'capture' | 'void' | 'leave'

const markAuthorized = `
  update payments set status = 'authorized', updated_at = ?
  where id = ? and status = 'authorizing' and given_up_at is null
    and not exists (
      select 1 from payments as other
      where other.invoice_id = payments.invoice_id and other.status = 'late')
  returning invoice_id as "invoiceId"`

/**
 * Moves the invoice of an authorised attempt from `paying` to `paid` and sells its holds. The payment stays
 * `authorized`, which on a paid invoice is the order to capture it. While money of an earlier attempt waits for
 * the same invoice, this attempt is given up instead: otherwise both would be captured.
 */
export function* settleAuthorized(paymentId: string, now: number): Script<AuthorizedNext> {
  const authorized = yield* first<{ invoiceId: string }>(markAuthorized, now, paymentId)
  if (authorized === undefined) return yield* settledAlready(paymentId, now)
  return (yield* payInvoice(authorized.invoiceId, 'paying', now)) ? 'capture' : 'void'
}

const selectSettled = `
  select p.status, i.status as "invoiceStatus"
  from payments p join invoices i on i.id = p.invoice_id
  where p.id = ?`

function* settledAlready(paymentId: string, now: number): Script<AuthorizedNext> {
  const settled = yield* first<{ status: PaymentStatus; invoiceStatus: InvoiceStatus }>(
    selectSettled,
    paymentId,
  )
  switch (settled?.status) {
    case 'authorized':
    case 'captured':
      return settled.invoiceStatus === 'paid' ? 'capture' : 'void'
    case 'late':
    case 'stranded':
      return 'leave'
    case 'authorizing':
      yield* giveUpPayment(paymentId, now)
      return 'void'
    case 'declined':
    case 'voided':
    case undefined:
      return 'void'
  }
}

const markCapturedSql = `
  update payments set status = 'captured', updated_at = ?
  where id = ? and status = 'authorized'
    and exists (select 1 from invoices i where i.id = payments.invoice_id and i.status = 'paid')
  returning id`

/** Notes that the provider has confirmed the capture: `authorized → captured`. */
export function* markCaptured(paymentId: string, now: number): Script<void> {
  yield* first(markCapturedSql, now, paymentId)
}
