import type { Reservation } from '../../domain/reservation.ts'
import { insertRows, type Script, type SqlValue } from '../database.ts'

const insertCarts = `insert into carts (id, user_id, status, created_at) values`
const insertReservations = `
  insert into reservations (id, user_id, idempotency_key, flash_sale_id, product_id, cart_id,
    quantity, unit_price_minor, currency, status, created_at, expires_at) values`
const insertCartDetails = `
  insert into cart_details (reservation_id, cart_id, product_id, quantity, created_at) values`
const insertMovements = `
  insert into stock_movements (product_id, reservation_id, kind, quantity, created_at) values`

interface Holder {
  readonly userId: number
  readonly idempotencyKey: string
  readonly flashSaleId: number
}

/** Collects the rows of a batch's new holds and inserts them together. */
export class NewHolds {
  readonly #carts: SqlValue[][] = []
  readonly #reservations: SqlValue[][] = []
  readonly #cartDetails: SqlValue[][] = []
  readonly #movements: SqlValue[][] = []

  /** `now` in epoch ms. */
  addCart(cartId: string, userId: number, now: number): void {
    this.#carts.push([cartId, userId, now])
  }

  add(
    { userId, idempotencyKey, flashSaleId }: Holder,
    { id, productId, quantity, unitPriceMinor, currency, expiresAt }: Reservation,
    { cartId, now }: { readonly cartId: string; readonly now: number },
  ): void {
    const what = [flashSaleId, productId, cartId, quantity, unitPriceMinor, currency]
    this.#reservations.push([id, userId, idempotencyKey, ...what, now, expiresAt])
    this.#cartDetails.push([id, cartId, productId, quantity, now])
    this.#movements.push([productId, id, quantity, now])
  }

  *insert(): Script<void> {
    const hold = `(?, ?, ?, ?, ?, ?, ?, ?, ?, 'held', ?, ?)`
    yield* insertRows(insertCarts, `(?, ?, 'active', ?)`, this.#carts)
    yield* insertRows(insertReservations, hold, this.#reservations)
    yield* insertRows(insertCartDetails, `(?, ?, ?, ?, ?)`, this.#cartDetails)
    yield* insertRows(insertMovements, `(?, ?, 'held', ?, ?)`, this.#movements)
  }
}
