import type { Invoice } from '../../domain/invoice.ts'
import type { Payment } from '../../domain/payment.ts'
import { first, one, type Script } from '../database.ts'
import { readInvoice } from '../invoices.ts'
import { payInvoice } from './pay-invoice.ts'
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
  /** The total was 0: the invoice is paid, and the provider is not asked. */
  | { readonly kind: 'nothing_to_pay'; readonly invoice: Invoice; readonly payment: Payment }
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
  const due = yield* first<Due>(claimInvoice, invoiceId, userId, now, invoiceId)
  if (due === undefined) return yield* whyNot(invoice)
  if (due.totalMinor === 0) return yield* payNothing(order, due)
  const payment = yield* insertAttempt(order, { ...due, status: 'authorizing' })
  return { kind: 'begun', invoice: { ...invoice, status: 'paying' }, payment }
}

interface Due {
  readonly totalMinor: number
  readonly currency: string
}

/** Marks an invoice over 0 as paid, with a captured payment of 0 that remembers the key. */
function* payNothing(order: BeginPayment, due: Due): Script<BeginResult> {
  const { userId, invoiceId, now } = order
  const payment = yield* insertAttempt(order, { ...due, status: 'captured' })
  const paid = yield* payInvoice(invoiceId, 'paying', now)
  const invoice = yield* readInvoice(userId, invoiceId)
  if (!paid || invoice === undefined) throw new Error(`invoice ${invoiceId} was not paid`)
  return { kind: 'nothing_to_pay', invoice, payment }
}

const claimInvoice = `
  update invoices set status = 'paying'
  where id = ? and user_id = ? and status = 'unpaid' and due_at > ?
    and not exists (
      select 1 from payments
      where invoice_id = ? and status in ('authorizing', 'authorized', 'captured', 'late'))
  returning total_minor as "totalMinor", currency`

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
  values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
  returning ${paymentColumns}`

type NewAttempt = Due & { readonly status: 'authorizing' | 'captured' }

function* insertAttempt(order: BeginPayment, attempt: NewAttempt): Script<Payment> {
  const { paymentId, invoiceId, userId, idempotencyKey, method, now } = order
  return yield* one<Payment>(
    insertPayment,
    paymentId,
    invoiceId,
    userId,
    idempotencyKey,
    method,
    attempt.totalMinor,
    attempt.currency,
    attempt.status,
    now,
    now,
  )
}
