import type { Refusal } from './refusal.ts'

/** `held → sold | released | expired`; a hold ends exactly once. */
export const reservationStatuses = ['held', 'sold', 'released', 'expired'] as const
export type ReservationStatus = (typeof reservationStatuses)[number]

/** A unit (or several) of a product set aside for one shopper. Times in epoch ms, money in minor units. */
export interface Reservation {
  readonly id: string
  readonly productId: number
  readonly quantity: number
  readonly unitPriceMinor: number
  readonly currency: string
  readonly status: ReservationStatus
  readonly expiresAt: number
}

/** What an add-to-cart request came to. `replayed` marks an outcome that was recorded before. */
export type AddToCartOutcome =
  | { readonly kind: 'held'; readonly reservation: Reservation; readonly replayed: boolean }
  | { readonly kind: 'refused'; readonly refusal: Refusal }

export function refused(refusal: Refusal): AddToCartOutcome {
  return { kind: 'refused', refusal }
}

export interface Wish {
  readonly flashSaleId: number
  readonly productId: number
  readonly quantity: number
}

export interface KeyedWish extends Wish {
  readonly userId: number
  readonly idempotencyKey: string
}

/** An add-to-cart request as the database is asked to decide it. */
export interface ReserveRequest extends KeyedWish {
  /** Becomes the id of the reservation. */
  readonly requestId: string
  /**
   * Set when this request may repeat a recorded outcome but never take stock: it was redelivered, is
   * too old, or came while the gate was closed. This is its refusal when nothing is recorded.
   */
  readonly refuseUnlessRecorded: Refusal | undefined
}
