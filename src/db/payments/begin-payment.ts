import type { Invoice } from '../../domain/invoice.ts'
import type { Payment } from '../../domain/payment.ts'
import { first, one, type Script } from '../database.ts'
import { readInvoice } from '../invoices.ts'
import { paymentColumns } from './read-payment.ts'

/** A shopper's order to pay an invoice with one method. */
export interface BeginPayment {
  readonly paymentId: string
  readonly userId: number
  readonly invoiceId: string
  readonly idempotencyKey: string
  readonly method: string
  /** Epoch ms. */
  readonly now: number
}

export type BeginResult =
  | { readonly kind: 'begun'; readonly invoice: Invoice; readonly payment: Payment }
  /** The key was used for the same order before; `payment` is that attempt as it stands. */
  | { readonly kind: 'repeated'; readonly invoice: Invoice; readonly payment: Payment }
  | {
      readonly kind: 'already_paid'
      readonly invoice: Invoice
      readonly payment: Payment | undefined
    }
  | {
      readonly kind:
        | 'key_reused'
        | 'not_found'
        | 'payment_in_progress'
        | 'expired'
        | 'cancelled'
        | 'needs_attention'
    }

const selectByKey = `
  select ${paymentColumns} from payments where user_id = ? and idempotency_key = ?`

/**
 * Begins an attempt: moves the invoice from `unpaid` to `paying`, after which the sweep leaves it alone. The
 * provider is asked after this transaction, never inside one.
 */
export function* beginPayment(order: BeginPayment): Script<BeginResult> {
  const { userId, invoiceId, method, now } = order
  const invoice = yield* readInvoice(userId, invoiceId)
  if (invoice === undefined) return { kind: 'not_found' }
  const known = yield* first<Payment>(selectByKey, userId, order.idempotencyKey)
  if (known !== undefined) {
    if (known.invoiceId !== invoiceId || known.method !== method) return { kind: 'key_reused' }
    return { kind: 'repeated', invoice, payment: known }
  }
  const claimed = yield* first(claimInvoice, invoiceId, userId, now, invoiceId)
  if (claimed === undefined) return yield* whyNot(invoice)
  const payment = yield* insertAttempt(order, invoice)
  return { kind: 'begun', invoice: { ...invoice, status: 'paying' }, payment }
}

const claimInvoice = `
  update invoices set status = 'paying'
  where id = ? and user_id = ? and status = 'unpaid' and due_at > ?
    and not exists (
      select 1 from payments
      where invoice_id = ? and status in ('authorizing', 'authorized', 'captured', 'late'))
  returning id`

const selectCaptured = `
  select ${paymentColumns} from payments
  where invoice_id = ? and status in ('authorized', 'captured')`

function* whyNot(invoice: Invoice): Script<BeginResult> {
  switch (invoice.status) {
    case 'paid': {
      const payment = yield* first<Payment>(selectCaptured, invoice.id)
      return { kind: 'already_paid', invoice, payment }
    }
    case 'cancelled':
      return { kind: 'cancelled' }
    case 'expired':
      return { kind: 'expired' }
    case 'needs_attention':
      return { kind: 'needs_attention' }
    case 'paying':
      return { kind: 'payment_in_progress' }
    case 'unpaid': {
      // The invoice is overdue, or money of an earlier attempt is on its way.
      const live = yield* first(selectLive, invoice.id)
      return { kind: live === undefined ? 'expired' : 'payment_in_progress' }
    }
  }
}

const selectLive = `
  select id from payments
  where invoice_id = ? and status in ('authorizing', 'authorized', 'captured', 'late')`

const insertPayment = `
  insert into payments (id, invoice_id, user_id, idempotency_key, method, amount_minor, currency,
    status, created_at, updated_at)
  values (?, ?, ?, ?, ?, ?, ?, 'authorizing', ?, ?)
  returning ${paymentColumns}`

function* insertAttempt(order: BeginPayment, invoice: Invoice): Script<Payment> {
  const { paymentId, userId, idempotencyKey, method, now } = order
  return yield* one<Payment>(
    insertPayment,
    paymentId,
    invoice.id,
    userId,
    idempotencyKey,
    method,
    invoice.totalMinor,
    invoice.currency,
    now,
    now,
  )
}
