import { all, first, run, type Script } from './database.ts'
import { readInvoice, type InvoiceRow } from './invoices.ts'

export interface CheckOut {
  readonly userId: number
  readonly idempotencyKey: string
  readonly invoiceId: string
  readonly now: number
}

export type CheckOutResult =
  | { readonly kind: 'created' | 'replayed'; readonly invoice: InvoiceRow }
  | { readonly kind: 'cart_empty' }

const selectByKey = `select id from invoices where user_id = ? and idempotency_key = ?`
const selectLines = `
  select r.id as "reservationId", r.cart_id as "cartId", r.product_id as "productId", p.name,
    r.quantity, r.unit_price_minor as "unitPriceMinor", r.currency, s.hold_seconds as "holdSeconds"
  from carts c
  join cart_details l on l.cart_id = c.id
  join reservations r on r.id = l.reservation_id
  join products p on p.id = r.product_id
  join flash_sales s on s.id = r.flash_sale_id
  where c.user_id = ? and c.status = 'active'
    and r.status = 'held' and r.invoice_id is null and r.expires_at > ?
  order by r.id`
const insertInvoice = `
  insert into invoices (id, user_id, cart_id, idempotency_key, status, total_minor, currency,
    hold_seconds, due_at, created_at)
  values (?, ?, ?, ?, 'unpaid', ?, ?, ?, ?, ?)`
const closeCart = `
  update carts set status = 'checked_out' where id = ? and status = 'active' returning id`

interface Line {
  readonly reservationId: string
  readonly cartId: string
  readonly productId: number
  readonly name: string
  readonly quantity: number
  readonly unitPriceMinor: number
  readonly currency: string
  readonly holdSeconds: number
}

/**
 * Turns the live holds of the cart into an invoice due one hold time from now. The cart is closed, so
 * holds get this extension once.
 */
export function* checkOut(order: CheckOut): Script<CheckOutResult> {
  const { userId, idempotencyKey, invoiceId, now } = order
  const known = yield* first<{ id: string }>(selectByKey, userId, idempotencyKey)
  if (known !== undefined) {
    return { kind: 'replayed', invoice: yield* existingInvoice(userId, known.id) }
  }
  const lines = yield* all<Line>(selectLines, userId, now)
  const [line] = lines
  if (line === undefined) return { kind: 'cart_empty' }
  const totalMinor = lines.reduce((sum, each) => sum + each.quantity * each.unitPriceMinor, 0)
  const holdSeconds = Math.min(...lines.map((each) => each.holdSeconds))
  yield* run(
    insertInvoice,
    invoiceId,
    userId,
    line.cartId,
    idempotencyKey,
    totalMinor,
    line.currency,
    holdSeconds,
    now + holdSeconds * 1000,
    now,
  )
  for (const each of lines) yield* invoiceLine(each, invoiceId, now)
  const closed = yield* first(closeCart, line.cartId)
  if (closed === undefined) throw new Error(`cart ${line.cartId} was closed twice`)
  return { kind: 'created', invoice: yield* existingInvoice(userId, invoiceId) }
}

const claimHold = `
  update reservations set invoice_id = ?
  where id = ? and status = 'held' and invoice_id is null and expires_at > ?
  returning id`
const insertInvoiceDetail = `
  insert into invoice_details (reservation_id, invoice_id, product_id, name, quantity,
    unit_price_minor, line_total_minor)
  values (?, ?, ?, ?, ?, ?, ?)`

function* invoiceLine(line: Line, invoiceId: string, now: number): Script<void> {
  const { reservationId, productId, name, quantity, unitPriceMinor } = line
  const claimed = yield* first(claimHold, invoiceId, reservationId, now)
  if (claimed === undefined) throw new Error(`hold ${reservationId} ended during checkout`)
  yield* run(
    insertInvoiceDetail,
    reservationId,
    invoiceId,
    productId,
    name,
    quantity,
    unitPriceMinor,
    quantity * unitPriceMinor,
  )
}

function* existingInvoice(userId: number, invoiceId: string): Script<InvoiceRow> {
  const invoice = yield* readInvoice(userId, invoiceId)
  if (invoice === undefined) throw new Error(`invoice ${invoiceId} is missing`)
  return invoice
}
