import type { InvoiceStatus } from '../../domain/invoice.ts'
import type { StrandedReason } from '../../domain/payment.ts'
import { first, one, run, type Script } from '../database.ts'
import { payExpiredInvoice, type LateMoneyContext } from './pay-expired-invoice.ts'
import { payInvoice } from './pay-invoice.ts'

/**
 * Late money is money that comes after its attempt had ended: a shopper's bank moves a push payment
 * by itself, days later if it likes. Late money pays its invoice when that is still possible;
 * otherwise it waits for a person. The program never gives it back. The results are: `capture`: its
 * invoice is paid with it. `waits`: another attempt is under way, ask again later. `stranded`: it
 * pays nothing, a person decides. `settled`: there was nothing to do.
 */
export type Placement = 'capture' | 'waits' | 'stranded' | 'settled'

const markLate = `
  update payments set status = 'late', updated_at = ?
  where id = ? and status in ('declined', 'voided')
  returning id`

/**
 * Places money that the provider has for an attempt which had ended before the provider was asked.
 * An answer from before that end must not come here: the attempt may have been voided since.
 */
export function* placeEnded(paymentId: string, context: LateMoneyContext): Script<Placement> {
  yield* first(markLate, context.now, paymentId)
  return yield* placeLate(paymentId, context)
}

const markMoved = `
  update payments set status = 'authorized', updated_at = ?
  where id = ? and status = 'authorizing'
  returning invoice_id as "invoiceId"`

/**
 * Places money that has moved. An attempt that we had given up pays all the same: until its void is
 * confirmed its hold is still there to be sold.
 */
export function* placeMoved(paymentId: string, context: LateMoneyContext): Script<Placement> {
  const moved = yield* first<{ invoiceId: string }>(markMoved, context.now, paymentId)
  if (moved === undefined) return yield* placeEnded(paymentId, context)
  const paid = yield* payInvoice(moved.invoiceId, 'paying', context.now)
  if (!paid) throw new Error(`payment ${paymentId} was live and its invoice not paying`)
  return 'capture'
}

interface Late {
  readonly invoiceId: string
  readonly invoiceStatus: InvoiceStatus
  readonly userId: number
  /** Minor units, and the total that the invoice has by now. */
  readonly amountMinor: number
  readonly totalMinor: number
}

const selectLate = `
  select p.invoice_id as "invoiceId", i.status as "invoiceStatus", i.user_id as "userId",
    p.amount_minor as "amountMinor", i.total_minor as "totalMinor"
  from payments p join invoices i on i.id = p.invoice_id
  where p.id = ? and p.status = 'late'`
const markPlaced = `
  update payments set status = 'authorized', updated_at = ?
  where id = ? and status = 'late'
  returning id`

function* placeLate(paymentId: string, context: LateMoneyContext): Script<Placement> {
  const late = yield* first<Late>(selectLate, paymentId)
  if (late === undefined) return yield* settledBefore(paymentId)
  if (late.invoiceStatus === 'paying' && isWholeTotal(late)) return 'waits'
  const reason = yield* payLate(late, context)
  if (reason !== undefined) return yield* strand(paymentId, { ...late, reason }, context.now)
  yield* one(markPlaced, context.now, paymentId)
  return 'capture'
}

const selectToCapture = `
  select p.id from payments p join invoices i on i.id = p.invoice_id
  where p.id = ? and p.status = 'authorized' and i.status = 'paid'`

function* settledBefore(paymentId: string): Script<Placement> {
  return (yield* first(selectToCapture, paymentId)) === undefined ? 'settled' : 'capture'
}

/**
 * An invoice that lost a called-off line since has a smaller total: the money is too much for it.
 */
const isWholeTotal = ({ amountMinor, totalMinor }: Late): boolean => amountMinor === totalMinor

/** Pays the invoice; returns the reason when the money cannot pay it. */
function* payLate(late: Late, context: LateMoneyContext): Script<StrandedReason | undefined> {
  switch (late.invoiceStatus) {
    case 'unpaid': {
      if (!isWholeTotal(late)) return 'amount_changed'
      const paid = yield* payInvoice(late.invoiceId, 'unpaid', context.now)
      if (!paid) throw new Error(`invoice ${late.invoiceId} is no longer unpaid`)
      return undefined
    }
    case 'expired':
      if (!isWholeTotal(late)) return 'amount_changed'
      return yield* payExpiredInvoice(late, context)
    case 'cancelled':
      return 'invoice_cancelled'
    case 'paid':
      return 'paid_already'
    case 'paying':
      return 'amount_changed'
    case 'needs_attention':
      return 'more_than_once'
  }
}

const markStranded = `
  update payments set status = 'stranded', stranded_at = ?, stranded_reason = ?, updated_at = ?
  where id = ? and status = 'late'
  returning id`
const needAttention = `
  update invoices set status = 'needs_attention'
  where id = ? and status in ('expired', 'cancelled')`

/**
 * Puts the money on the list for a person, and an ended invoice with it. A paid invoice stays paid.
 */
function* strand(
  paymentId: string,
  { invoiceId, reason }: Late & { readonly reason: StrandedReason },
  now: number,
): Script<Placement> {
  yield* one(markStranded, now, reason, now, paymentId)
  yield* run(needAttention, invoiceId)
  return 'stranded'
}

const dropLateSql = `
  update payments set status = 'voided', updated_at = ? where id = ? and status = 'late'`

/**
 * Ends late money that the provider no longer has: it was given back there before it was placed.
 */
export function* dropLate(paymentId: string, now: number): Script<void> {
  yield* run(dropLateSql, now, paymentId)
}
