/** The state an operator gave a sale. Together with the clock it decides the status. */
export type FlashSaleState = 'open' | 'paused' | 'cancelled'

/** The statuses of a sale that shoppers and operators see. */
export const flashSaleStatuses = ['scheduled', 'active', 'paused', 'ended', 'cancelled'] as const
export type FlashSaleStatus = (typeof flashSaleStatuses)[number]

export interface FlashSaleSchedule {
  readonly state: FlashSaleState
  /** Epoch ms, inclusive. */
  readonly startsAt: number
  /** Epoch ms, exclusive. */
  readonly endsAt: number
}

/**
 * The ways add-to-cart requests of a sale travel: one topic for the sale with a channel per product, whose
 * consumers each see all requests, or one topic per product.
 */
export const addToCartRoutings = ['channel-per-product', 'topic-per-product'] as const
export type AddToCartRouting = (typeof addToCartRoutings)[number]
/** `auto`: by the number of products when the sale's channels are first made. */
export type AddToCartRoutingSetting = AddToCartRouting | 'auto'

/**
 * Returns the status at `now`: active while `startsAt ≤ now < endsAt`, unless an operator paused or
 * cancelled it.
 */
export function flashSaleStatus(sale: FlashSaleSchedule, now: number): FlashSaleStatus {
  if (sale.state === 'cancelled') return 'cancelled'
  if (now >= sale.endsAt) return 'ended'
  if (sale.state === 'paused') return 'paused'
  return now < sale.startsAt ? 'scheduled' : 'active'
}
