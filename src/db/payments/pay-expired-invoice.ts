import type { StrandedReason } from '../../domain/payment.ts'
import { all, one, run, type Script } from '../database.ts'

export interface ExpiredInvoice {
  readonly invoiceId: string
  readonly userId: number
}

export interface LateMoneyContext {
  /** Epoch ms. */
  readonly now: number
  readonly newId: () => string
}

const takeAgain = `
  update stock set available = available - line.quantity, sold = sold + line.quantity
  from (
    select product_id, sum(quantity) as quantity from invoice_details
    where invoice_id = ? and cancelled_at is null group by product_id) as line
  where stock.product_id = line.product_id and not exists (
    select 1 from (
      select product_id, sum(quantity) as quantity from invoice_details
      where invoice_id = ? and cancelled_at is null group by product_id) as wanted
    join stock as found on found.product_id = wanted.product_id
    where found.available < wanted.quantity)
  returning stock.product_id as "productId"`
const payExpired = `
  update invoices set status = 'paid', paid_at = ?, ended_at = null
  where id = ? and status = 'expired'
  returning id`

/**
 * Pays an expired invoice with late money: its units are taken again, all of them or none, in one guarded
 * update. Returns the reason when the money cannot pay it; then nothing has changed.
 */
export function* payExpiredInvoice(
  { invoiceId, userId }: ExpiredInvoice,
  context: LateMoneyContext,
): Script<StrandedReason | undefined> {
  const lines = yield* all<Line>(selectLines, invoiceId)
  const refusal = yield* refuse(userId, lines)
  if (refusal !== undefined) return refusal
  const taken = yield* all(takeAgain, invoiceId, invoiceId)
  if (taken.length === 0) return 'sold_out'
  yield* one(payExpired, context.now, invoiceId)
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
  where l.invoice_id = ? and l.cancelled_at is null
  order by l.product_id, l.reservation_id`
const sumTaken = `
  select coalesce(sum(quantity), 0) as taken from reservations
  where user_id = ? and product_id = ? and status in ('held', 'sold')`

/** Late money buys on the terms of its sale: within the purchase limit, and not after the sale was called off. */
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

/** A hold ends only once, so the line gets a new reservation, which is held and sold in the same moment. */
function* sellAgain(line: Line, { now, newId }: LateMoneyContext): Script<void> {
  const { reservationId, productId, quantity } = line
  const id = newId()
  yield* one(insertReservation, id, id, now, now, now, reservationId)
  yield* one(pointLine, id, reservationId)
  yield* run(insertMovement, productId, id, 'held', quantity, now)
  yield* run(insertMovement, productId, id, 'sold', quantity, now)
}
