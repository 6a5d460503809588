import type { Invoice } from '../../domain/invoice.ts'
import type { Payment } from '../../domain/payment.ts'
import { first, type Script } from '../database.ts'
import { readInvoice } from '../invoices.ts'

/** The columns of `payments` that make a `Payment`. */
export const paymentColumns = `
  id, invoice_id as "invoiceId", user_id as "userId", status, method,
  amount_minor as "amountMinor", currency, decline_code as "declineCode",
  told_answer as "toldAnswer", created_at as "createdAt"`

const selectPayment = `select ${paymentColumns} from payments where id = ?`

/** An attempt as it stands, with its invoice as the owner sees it; undefined when no attempt has this id. */
export function* readPayment(
  paymentId: string,
): Script<{ readonly invoice: Invoice; readonly payment: Payment } | undefined> {
  const payment = yield* first<Payment & { readonly userId: number }>(selectPayment, paymentId)
  if (payment === undefined) return undefined
  const invoice = yield* readInvoice(payment.userId, payment.invoiceId)
  return invoice === undefined ? undefined : { invoice, payment }
}
