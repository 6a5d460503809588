import type { InvoiceStatus } from '../domain/invoice.ts'
import type { StrandedReason } from '../domain/payment.ts'
import { all, first, one, run, type Script } from './database.ts'
import { endPayment, payInvoice, type AttemptEnd } from './payments.ts'

/**
 * Money that came after its attempt had ended: a shopper's bank moves a push payment by itself, days
 * later if it likes. It pays its invoice when that is still possible, or waits for a person; it is never
 * given back by a machine.
 */
export interface LateMoneyContext {
  /** Epoch ms. */
  readonly now: number
  readonly newId: () => string
}

/**
 * `capture`: the invoice is paid with it. `waits`: another attempt is under way, ask again later.
 * `stranded`: it pays nothing, a person decides. `settled`: there was nothing to do.
 */
export type Placement = 'capture' | 'waits' | 'stranded' | 'settled'

const markLate = `
  update payments set status = 'late', updated_at = ?
  where id = ? and status in ('declined', 'voided')
  returning id`

/**
 * The provider says that it has the money of an attempt that had ended before it was asked. An older
 * answer must not come here: the attempt may have been voided since.
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
 * The provider says that the money has moved. That overrules our having given the attempt up: as long as
 * the void was not confirmed, the hold is still there to be sold.
 */
export function* placeMoved(paymentId: string, context: LateMoneyContext): Script<Placement> {
  const moved = yield* first<{ invoiceId: string }>(markMoved, context.now, paymentId)
  if (moved === undefined) return yield* placeEnded(paymentId, context)
  const paid = yield* payInvoice(moved.invoiceId, 'paying', context.now)
  if (!paid) throw new Error(`payment ${paymentId} was live and its invoice not paying`)
  return 'capture'
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
 * The attempt is over without money. What waited for its end pays in the same moment: between two
 * transactions the sweep could expire the invoice it is for. Returns the payment to capture.
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

interface Late {
  readonly invoiceId: string
  readonly invoiceStatus: InvoiceStatus
  readonly userId: number
}

const selectLate = `
  select p.invoice_id as "invoiceId", i.status as "invoiceStatus", i.user_id as "userId"
  from payments p join invoices i on i.id = p.invoice_id
  where p.id = ? and p.status = 'late'`
const markPlaced = `
  update payments set status = 'authorized', updated_at = ?
  where id = ? and status = 'late'
  returning id`

function* placeLate(paymentId: string, context: LateMoneyContext): Script<Placement> {
  const late = yield* first<Late>(selectLate, paymentId)
  if (late === undefined) return yield* settledBefore(paymentId)
  if (late.invoiceStatus === 'paying') return 'waits'
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

/** Pays the invoice, or says why not. */
function* payLate(late: Late, context: LateMoneyContext): Script<StrandedReason | undefined> {
  switch (late.invoiceStatus) {
    case 'unpaid': {
      const paid = yield* payInvoice(late.invoiceId, 'unpaid', context.now)
      if (!paid) throw new Error(`invoice ${late.invoiceId} is no longer unpaid`)
      return undefined
    }
    case 'expired':
      return yield* payExpired(late, context)
    case 'cancelled':
      return 'invoice_cancelled'
    case 'paid':
      return 'paid_already'
    case 'paying':
    case 'needs_attention':
      return 'more_than_once'
  }
}

const takeAgain = `
  update stock set available = available - line.quantity, sold = sold + line.quantity
  from (
    select product_id, sum(quantity) as quantity from invoice_details
    where invoice_id = ? group by product_id) as line
  where stock.product_id = line.product_id and not exists (
    select 1 from (
      select product_id, sum(quantity) as quantity from invoice_details
      where invoice_id = ? group by product_id) as wanted
    join stock as found on found.product_id = wanted.product_id
    where found.available < wanted.quantity)
  returning stock.product_id as "productId"`
const payExpiredInvoice = `
  update invoices set status = 'paid', paid_at = ?, ended_at = null
  where id = ? and status = 'expired'
  returning id`

/** `expired → paid`: the units are taken again, all of them or none, in one guarded update. */
function* payExpired(
  { invoiceId, userId }: Late,
  context: LateMoneyContext,
): Script<StrandedReason | undefined> {
  const lines = yield* all<Line>(selectLines, invoiceId)
  const refusal = yield* refuse(userId, lines)
  if (refusal !== undefined) return refusal
  const taken = yield* all(takeAgain, invoiceId, invoiceId)
  if (taken.length === 0) return 'sold_out'
  yield* one(payExpiredInvoice, context.now, invoiceId)
  for (const line of lines) yield* sellAgain(line, context)
  return undefined
}

interface Line {
  readonly reservationId: string
  readonly productId: number
  readonly quantity: number
  readonly purchaseLimit: number | null
  readonly saleState: string
}

const selectLines = `
  select l.reservation_id as "reservationId", l.product_id as "productId", l.quantity,
    d.purchase_limit as "purchaseLimit", f.state as "saleState"
  from invoice_details l
  join reservations r on r.id = l.reservation_id
  join flash_sale_details d
    on d.flash_sale_id = r.flash_sale_id and d.product_id = r.product_id
  join flash_sales f on f.id = r.flash_sale_id
  where l.invoice_id = ?
  order by l.product_id, l.reservation_id`
const sumTaken = `
  select coalesce(sum(quantity), 0) as taken from reservations
  where user_id = ? and product_id = ? and status in ('held', 'sold')`

/** The terms of a sale hold for late money, too: its limit per shopper, and that it was not called off. */
function* refuse(userId: number, lines: readonly Line[]): Script<StrandedReason | undefined> {
  if (lines.some(({ saleState }) => saleState === 'cancelled')) return 'sale_cancelled'
  for (const { productId, purchaseLimit } of lines) {
    if (purchaseLimit === null) continue
    const { taken } = yield* one<{ taken: number }>(sumTaken, userId, productId)
    const wanted = lines
      .filter((line) => line.productId === productId)
      .reduce((sum, line) => sum + line.quantity, 0)
    if (taken + wanted > purchaseLimit) return 'purchase_limit_reached'
  }
  return undefined
}

const insertReservation = `
  insert into reservations (id, user_id, idempotency_key, flash_sale_id, product_id, cart_id,
    invoice_id, quantity, unit_price_minor, currency, status, created_at, expires_at, ended_at)
  select ?, user_id, ?, flash_sale_id, product_id, cart_id,
    invoice_id, quantity, unit_price_minor, currency, 'sold', ?, ?, ?
  from reservations where id = ? and status = 'expired'
  returning id`
const pointLine = `
  update invoice_details set reservation_id = ? where reservation_id = ? returning reservation_id`
const insertMovement = `
  insert into stock_movements (product_id, reservation_id, kind, quantity, reason, created_at)
  values (?, ?, ?, ?, 'late payment', ?)`

/** A hold ends once, so the line gets a new reservation: held and sold in the same moment. */
function* sellAgain(line: Line, { now, newId }: LateMoneyContext): Script<void> {
  const { reservationId, productId, quantity } = line
  const id = newId()
  yield* one(insertReservation, id, id, now, now, now, reservationId)
  yield* one(pointLine, id, reservationId)
  yield* run(insertMovement, productId, id, 'held', quantity, now)
  yield* run(insertMovement, productId, id, 'sold', quantity, now)
}

const markStranded = `
  update payments set status = 'stranded', stranded_at = ?, stranded_reason = ?, updated_at = ?
  where id = ? and status = 'late'
  returning id`
const needAttention = `
  update invoices set status = 'needs_attention'
  where id = ? and status in ('expired', 'cancelled')`

/** `expired | cancelled → needs_attention`. A paid invoice stays paid: only the money is one too many. */
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

/** The provider no longer has it: somebody gave it back there before it could be placed. */
export function* dropLate(paymentId: string, now: number): Script<void> {
  yield* run(dropLateSql, now, paymentId)
}
