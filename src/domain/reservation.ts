import type { Refusal } from './refusal.ts'

/** A reservation moves `held → sold | released | expired`; a hold ends exactly once. */
export const reservationStatuses = ['held', 'sold', 'released', 'expired'] as const
export type ReservationStatus = (typeof reservationStatuses)[number]

/**
 * One or more units of a product set aside for one shopper. Times in epoch ms, money in minor
 * units.
 */
export interface Reservation {
  readonly id: string
  readonly productId: number
  readonly quantity: number
  readonly unitPriceMinor: number
  readonly currency: string
  readonly status: ReservationStatus
  readonly expiresAt: number
}

/**
 * The result of an add-to-cart request. `replayed` marks one that was recorded by an earlier
 * delivery.
 */
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
  /** After a restore `userId` may belong to another user, who has another uid. */
  readonly userUid: string
  readonly idempotencyKey: string
}

/** An add-to-cart request as the reserve transaction receives it. */
export interface ReserveRequest extends KeyedWish {
  /** This id becomes the id of the reservation. */
  readonly requestId: string
  /**
   * When set, the request may repeat a recorded outcome but never take stock: it was redelivered,
   * is too old, or came while the gate was closed. The value is its refusal when nothing is
   * recorded.
   */
  readonly refuseUnlessRecorded: Refusal | undefined
}
