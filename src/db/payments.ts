import { declineGraceMs, type Invoice, type InvoiceStatus } from '../domain/invoice.ts'
import type { Payment, PaymentStatus } from '../domain/payment.ts'
import { all, first, one, run, type Script } from './database.ts'
import { endedHoldColumns, moveToSold, type EndedHold } from './holds.ts'
import { readInvoice } from './invoices.ts'

/**
 * The money order of steps as the database sees it. The provider is asked outside any transaction;
 * what these scripts do not allow is never captured.
 */
export interface BeginPayment {
  readonly paymentId: string
  readonly userId: number
  readonly invoiceId: string
  readonly idempotencyKey: string
  readonly method: string
  readonly now: number
}

export type BeginResult =
  | { readonly kind: 'begun'; readonly invoice: Invoice; readonly payment: Payment }
  /** The same key was used for this before; `payment` is how it stands. */
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

const paymentColumns = `
  id, invoice_id as "invoiceId", user_id as "userId", status, method,
  amount_minor as "amountMinor", currency, decline_code as "declineCode",
  created_at as "createdAt"`

const selectByKey = `
  select ${paymentColumns} from payments where user_id = ? and idempotency_key = ?`

/** `unpaid → paying`, with a new attempt. From here the sweep leaves the invoice alone. */
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
      // Either overdue, or the money of an earlier attempt is on its way.
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
  values (?, ?, ?, ?, ?, ?, ?, 'authorizing', ?, ?)`

function* insertAttempt(order: BeginPayment, invoice: Invoice): Script<Payment> {
  const { paymentId: id, userId, idempotencyKey, method, now } = order
  const { totalMinor: amountMinor, currency } = invoice
  yield* run(
    insertPayment,
    id,
    invoice.id,
    userId,
    idempotencyKey,
    method,
    amountMinor,
    currency,
    now,
    now,
  )
  const status = 'authorizing'
  const declineCode = null
  return {
    id,
    invoiceId: invoice.id,
    status,
    method,
    amountMinor,
    currency,
    declineCode,
    createdAt: now,
  }
}

const markAuthorized = `
  update payments set status = 'authorized', updated_at = ?
  where id = ? and status = 'authorizing' and given_up_at is null
    and not exists (
      select 1 from payments as other
      where other.invoice_id = payments.invoice_id and other.status = 'late')
  returning invoice_id as "invoiceId"`

/**
 * The provider has authorised: `paying → paid`, the holds are sold, and the payment is left
 * `authorized`, which on a paid invoice is the order to capture it. While money of an earlier attempt waits this
 * one is given up instead: captured, both would be.
 * `capture`: the invoice is paid, capture now. `void`: it is not, give the authorisation up.
 * `leave`: it is late money, which is not this script's business.
 */
export function* settleAuthorized(paymentId: string, now: number): Script<AuthorizedNext> {
  const authorized = yield* first<{ invoiceId: string }>(markAuthorized, now, paymentId)
  if (authorized === undefined) return yield* settledAlready(paymentId, now)
  return (yield* payInvoice(authorized.invoiceId, 'paying', now)) ? 'capture' : 'void'
}

export type AuthorizedNext = 'capture' | 'void' | 'leave'

const markPaid = `
  update invoices set status = 'paid', paid_at = ?
  where id = ? and status = ?
  returning id`
const sellHolds = `
  update reservations set status = 'sold', ended_at = ?
  where invoice_id = ? and status = 'held'
  returning ${endedHoldColumns}`
const countLines = `select count(*) as lines from invoice_details where invoice_id = ?`

/** `→ paid` from a state whose holds are alive, and the holds are sold. False: it is in another state. */
export function* payInvoice(
  invoiceId: string,
  from: 'paying' | 'unpaid',
  now: number,
): Script<boolean> {
  const paid = yield* first(markPaid, now, invoiceId, from)
  if (paid === undefined) return false
  const sold = yield* all<EndedHold>(sellHolds, now, invoiceId)
  const { lines } = yield* one<{ lines: number }>(countLines, invoiceId)
  if (sold.length !== lines) throw new Error(`invoice ${invoiceId} lost a hold while paying`)
  yield* moveToSold(sold, now)
  return true
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

const markGivenUp = `
  update payments set given_up_at = coalesce(given_up_at, ?), updated_at = ?
  where id = ? and status = 'authorizing'
  returning id`

/**
 * Decides that this attempt will never pay, so that the provider may be told to void it. False when it
 * was settled before: then nothing may be voided. An authorisation that comes later is given up too.
 */
export function* giveUpPayment(paymentId: string, now: number): Script<boolean> {
  return (yield* first(markGivenUp, now, now, paymentId)) !== undefined
}

const touch = `
  update payments set updated_at = ?
  where id = ? and status in ('authorizing', 'authorized', 'late')`

/** Puts an attempt that is still open behind the others. */
export function* touchPayment(paymentId: string, now: number): Script<void> {
  yield* run(touch, now, paymentId)
}

const markCapturedSql = `
  update payments set status = 'captured', updated_at = ?
  where id = ? and status = 'authorized'
    and exists (select 1 from invoices i where i.id = payments.invoice_id and i.status = 'paid')
  returning id`

/** `authorized → captured`, confirmed by the provider. */
export function* markCaptured(paymentId: string, now: number): Script<void> {
  yield* first(markCapturedSql, now, paymentId)
}

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

export type AttemptEnd =
  | { readonly status: 'declined'; readonly code: string }
  | { readonly status: 'voided'; readonly code: null }

/**
 * The attempt is over without money: declined, or void confirmed by the provider. `paying → unpaid`
 * with some time left to try another card, once. False when it was settled otherwise before.
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

/** Once per invoice, and only when less than the grace is left. */
function extended({ dueAt, holdSeconds, extendedAt }: Due, now: number): Omit<Due, 'holdSeconds'> {
  const graceEndsAt = now + Math.min(declineGraceMs, holdSeconds * 1000)
  if (extendedAt !== null || graceEndsAt <= dueAt) return { dueAt, extendedAt }
  return { dueAt: graceEndsAt, extendedAt: now }
}

const selectPayment = `select ${paymentColumns} from payments where id = ?`

/** How an attempt stands, with its invoice as its owner sees it. */
export function* readPayment(
  paymentId: string,
): Script<{ readonly invoice: Invoice; readonly payment: Payment } | undefined> {
  const payment = yield* first<Payment & { readonly userId: number }>(selectPayment, paymentId)
  if (payment === undefined) return undefined
  const invoice = yield* readInvoice(payment.userId, payment.invoiceId)
  return invoice === undefined ? undefined : { invoice, payment }
}

const selectUnsettled = `
  select ${paymentColumns},
    (select i.due_at from invoices i where i.id = payments.invoice_id) as "dueAt",
    (select count(*) from payments as other
     where other.invoice_id = payments.invoice_id and other.status = 'late') as waiting
  from payments
  where status in ('authorizing', 'authorized', 'late') and updated_at <= ?
  order by updated_at limit ?`

export interface UnsettledPayment extends Payment {
  /** Of its invoice, epoch ms. */
  readonly dueAt: number
  /** Payments of its invoice whose money is here and waits for the end of the live attempt. */
  readonly waiting: number
}

/** Attempts nobody has moved since `untouchedSince` (epoch ms): their process may be gone. */
export function* readUnsettled(
  untouchedSince: number,
  limit: number,
): Script<readonly UnsettledPayment[]> {
  return yield* all<UnsettledPayment>(selectUnsettled, untouchedSince, limit)
}
