/** What an operator last said about a sale; the clock decides the rest. */
export type FlashSaleState = 'open' | 'paused' | 'cancelled'

/** What everybody is shown. */
export const flashSaleStatuses = ['scheduled', 'active', 'paused', 'ended', 'cancelled'] as const
export type FlashSaleStatus = (typeof flashSaleStatuses)[number]

export interface FlashSaleSchedule {
  readonly state: FlashSaleState
  /** Epoch ms, inclusive. */
  readonly startsAt: number
  /** Epoch ms, exclusive. */
  readonly endsAt: number
}

/** `startsAt ≤ now < endsAt` decides active, unless an operator said otherwise. */
export function flashSaleStatus(sale: FlashSaleSchedule, now: number): FlashSaleStatus {
  if (sale.state === 'cancelled') return 'cancelled'
  if (now >= sale.endsAt) return 'ended'
  if (sale.state === 'paused') return 'paused'
  return now < sale.startsAt ? 'scheduled' : 'active'
}
