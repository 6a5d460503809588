import { createHash } from 'node:crypto'
import type { Invoice } from '../domain/invoice.ts'
import type { Reservation } from '../domain/reservation.ts'
import { readCart } from './carts.ts'
import { all, first, run, type Script } from './database.ts'
import { readInvoice, readInvoiceAtCheckout } from './invoices.ts'

export interface CheckOut {
  readonly userId: number
  readonly idempotencyKey: string
  readonly invoiceId: string
  /** Epoch ms. */
  readonly now: number
  /** The cart as the shopper saw it; nothing is compared when it is left out. */
  readonly confirmation?: CartConfirmation
}

export interface CartConfirmation {
  /** The ids of all live holds of the cart, in any order. */
  readonly reservationIds?: readonly string[] | undefined
  readonly expectedTotalMinor?: number | undefined
}

export type CheckOutResult =
  /** `replayed`: the invoice as it was first answered. */
  | { readonly kind: 'created' | 'replayed'; readonly invoice: Invoice }
  /** The cart is not the confirmed one; nothing was done, and the key is not remembered. */
  | { readonly kind: 'cart_changed'; readonly cart: readonly Reservation[] }
  | { readonly kind: 'cart_empty' | 'key_reused' }

const selectByKey = `
  select id, confirmed from invoices where user_id = ? and idempotency_key = ?`

/**
 * Turns the live holds of the cart into an invoice. It is due one hold time from now, by the longest hold time
 * among its lines, and never before a deadline that was promised for one of them. The cart is closed, so holds
 * get this extension once.
 */
export function* checkOut(order: CheckOut): Script<CheckOutResult> {
  const { userId, idempotencyKey, invoiceId, now, confirmation = {} } = order
  const confirmed = digest(confirmation)
  const known = yield* first<Known>(selectByKey, userId, idempotencyKey)
  if (known !== undefined) return yield* repeat(userId, known, confirmed)
  const lines = yield* all<Line>(selectLines, userId, now)
  if (!isConfirmed(lines, confirmation)) {
    return { kind: 'cart_changed', cart: yield* readCart(userId, now) }
  }
  const [line] = lines
  if (line === undefined) return { kind: 'cart_empty' }
  yield* createInvoice({ ...order, confirmed }, lines)
  const closed = yield* first(closeCart, line.cartId)
  if (closed === undefined) throw new Error(`cart ${line.cartId} was closed twice`)
  const invoice = yield* readInvoice(userId, invoiceId)
  if (invoice === undefined) throw new Error(`invoice ${invoiceId} is missing`)
  return { kind: 'created', invoice }
}

interface Known {
  readonly id: string
  readonly confirmed: string | null
}

/** The same key asks for the same: the same confirmation gets the first answer, another one is refused. */
function* repeat(userId: number, known: Known, confirmed: string | null): Script<CheckOutResult> {
  if (known.confirmed !== confirmed) return { kind: 'key_reused' }
  const invoice = yield* readInvoiceAtCheckout(userId, known.id)
  if (invoice === undefined) throw new Error(`invoice ${known.id} is missing`)
  return { kind: 'replayed', invoice }
}

/** Null when nothing is confirmed. A digest, because a hundred ids would be 4 kB in every invoice. */
function digest({ reservationIds, expectedTotalMinor }: CartConfirmation): string | null {
  if (reservationIds === undefined && expectedTotalMinor === undefined) return null
  const ids = reservationIds === undefined ? null : [...new Set(reservationIds)].sort()
  const text = JSON.stringify([ids, expectedTotalMinor ?? null])
  return createHash('sha256').update(text).digest('hex')
}

function isConfirmed(lines: readonly Line[], confirmation: CartConfirmation): boolean {
  const { reservationIds, expectedTotalMinor = totalOf(lines) } = confirmation
  if (expectedTotalMinor !== totalOf(lines)) return false
  const wanted = new Set(reservationIds ?? lines.map(({ reservationId }) => reservationId))
  return (
    wanted.size === lines.length && lines.every(({ reservationId }) => wanted.has(reservationId))
  )
}

const totalOf = (lines: readonly Line[]): number =>
  lines.reduce((sum, { quantity, unitPriceMinor }) => sum + quantity * unitPriceMinor, 0)

const selectLines = `
  select r.id as "reservationId", r.cart_id as "cartId", r.product_id as "productId", p.name,
    r.quantity, r.unit_price_minor as "unitPriceMinor", r.currency, r.expires_at as "expiresAt",
    s.hold_seconds as "holdSeconds"
  from carts c
  join cart_details l on l.cart_id = c.id
  join reservations r on r.id = l.reservation_id
  join products p on p.id = r.product_id
  join flash_sales s on s.id = r.flash_sale_id
  where c.user_id = ? and c.status = 'active'
    and r.status = 'held' and r.invoice_id is null and r.expires_at > ?
  order by r.id`

interface Line {
  readonly reservationId: string
  readonly cartId: string
  readonly productId: number
  readonly name: string
  readonly quantity: number
  readonly unitPriceMinor: number
  readonly currency: string
  /** The deadline that was promised in the cart, epoch ms. */
  readonly expiresAt: number
  readonly holdSeconds: number
}

const insertInvoice = `
  insert into invoices (id, user_id, cart_id, idempotency_key, confirmed, status, total_minor,
    currency, hold_seconds, checkout_due_at, due_at, created_at)
  values (?, ?, ?, ?, ?, 'unpaid', ?, ?, ?, ?, ?, ?)`
const closeCart = `
  update carts set status = 'checked_out' where id = ? and status = 'active' returning id`

type NewInvoice = CheckOut & { readonly confirmed: string | null }

function* createInvoice(order: NewInvoice, lines: readonly Line[]): Script<void> {
  const { invoiceId, userId, idempotencyKey, confirmed, now } = order
  const [{ cartId, currency }] = lines as readonly [Line]
  const holdSeconds = Math.max(...lines.map((line) => line.holdSeconds))
  const dueAt = Math.max(now + holdSeconds * 1000, ...lines.map(({ expiresAt }) => expiresAt))
  yield* run(
    insertInvoice,
    invoiceId,
    userId,
    cartId,
    idempotencyKey,
    confirmed,
    totalOf(lines),
    currency,
    holdSeconds,
    dueAt,
    dueAt,
    now,
  )
  for (const line of lines) yield* insertLine(line, invoiceId, now)
}

const claimHold = `
  update reservations set invoice_id = ?
  where id = ? and status = 'held' and invoice_id is null and expires_at > ?
  returning id`
const insertInvoiceDetail = `
  insert into invoice_details (reservation_id, checkout_reservation_id, invoice_id, product_id,
    name, quantity, unit_price_minor, line_total_minor)
  values (?, ?, ?, ?, ?, ?, ?, ?)`

function* insertLine(line: Line, invoiceId: string, now: number): Script<void> {
  const { reservationId, productId, name, quantity, unitPriceMinor } = line
  const claimed = yield* first(claimHold, invoiceId, reservationId, now)
  if (claimed === undefined) throw new Error(`hold ${reservationId} ended during checkout`)
  yield* run(
    insertInvoiceDetail,
    reservationId,
    reservationId,
    invoiceId,
    productId,
    name,
    quantity,
    unitPriceMinor,
    quantity * unitPriceMinor,
  )
}
