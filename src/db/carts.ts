import type { Reservation } from '../domain/reservation.ts'
import { all, type Script } from './database.ts'
import { endedHoldColumns, returnToStock, type EndedHold } from './holds.ts'

/**
 * Every statement here names the user in its `where`, so that a shopper reaches only their own
 * cart.
 */

const selectCart = `
  select r.id, r.product_id as "productId", r.quantity, r.unit_price_minor as "unitPriceMinor",
    r.currency, r.status, r.expires_at as "expiresAt"
  from carts c
  join cart_details l on l.cart_id = c.id
  join reservations r on r.id = l.reservation_id
  where c.user_id = ? and c.status = 'active'
    and r.status = 'held' and r.invoice_id is null and r.expires_at > ?
  order by r.expires_at, r.id`

/** Reads the live holds in the user's active cart, those that expire first at the top. */
export function* readCart(userId: number, now: number): Script<readonly Reservation[]> {
  return yield* all<Reservation>(selectCart, userId, now)
}

const releaseHold = `
  update reservations set status = 'released', ended_at = ?
  where id = ? and user_id = ? and status = 'held' and invoice_id is null
  returning ${endedHoldColumns}`

/** Puts one item back to stock; undefined when the user has no such live item. */
export function* removeFromCart(
  userId: number,
  reservationId: string,
  now: number,
): Script<readonly number[] | undefined> {
  const ended = yield* all<EndedHold>(releaseHold, now, reservationId, userId)
  return ended.length === 0 ? undefined : yield* returnToStock(ended, 'released', now)
}

const releaseCart = `
  update reservations set status = 'released', ended_at = ?
  where status = 'held' and invoice_id is null and id in (
    select l.reservation_id from carts c join cart_details l on l.cart_id = c.id
    where c.user_id = ? and c.status = 'active')
  returning ${endedHoldColumns}`

/** Puts the whole cart back to stock. Returns the products that have stock again. */
export function* clearCart(userId: number, now: number): Script<readonly number[]> {
  const ended = yield* all<EndedHold>(releaseCart, now, userId)
  return yield* returnToStock(ended, 'released', now)
}
