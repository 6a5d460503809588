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
