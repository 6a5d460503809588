import type { Clock } from '../../clock.ts'

/**
 * The gate of an API node remembers for a short time that a product is sold out. Every 250 ms it
 * lets one request through, so that it notices released stock although the announcement was lost.
 * All others are refused meanwhile; otherwise every crowd would reach the queue four times a
 * second.
 */
export interface LocalGate {
  refuses(productId: number, quantity: number): boolean
  /** Closes the gate after the consumer refused this quantity as sold out. */
  close(productId: number, quantity: number): void
  /**
   * Opens the gate after the consumer gave this quantity, or refused it for a reason of the
   * shopper's own.
   */
  notSoldOut(productId: number, quantity: number): void
  open(productId: number): void
}

/** With the consumer's probe of one second this keeps "sold out" under 1.5 s after a release. */
const asksEveryMs = 250
/** A refusal that was not confirmed for this long is forgotten. */
const forgetsAfterMs = 500

/** Far more products than sell out within half a second; beyond it the oldest is asked for again. */
const closedMax = 10_000

interface Closed {
  readonly from: number
  toldAt: number
  asksAgainAt: number
}

export function createLocalGate(clock: Clock): LocalGate {
  const closed = new Map<number, Closed>()

  function known(productId: number, quantity: number, now: number): Closed | undefined {
    const entry = closed.get(productId)
    if (entry === undefined || quantity < entry.from) return undefined
    if (now < entry.toldAt + forgetsAfterMs) return entry
    closed.delete(productId)
    return undefined
  }

  /** A map keeps the order of insertion, so the first entry is the oldest. */
  function forgetOldest(): void {
    if (closed.size < closedMax) return
    for (const productId of closed.keys()) {
      closed.delete(productId)
      return
    }
  }

  return {
    refuses(productId, quantity) {
      const now = clock.monotonic()
      const entry = known(productId, quantity, now)
      if (entry === undefined) return false
      // A refusal of a larger quantity would not show whether `from` is available again.
      if (quantity > entry.from || now < entry.asksAgainAt) return true
      entry.asksAgainAt = now + asksEveryMs
      return false
    },
    close(productId, quantity) {
      const now = clock.monotonic()
      const entry = known(productId, quantity, now)
      // A refusal that was under way must not delay the next request that is let through.
      if (entry === undefined) {
        forgetOldest()
        closed.set(productId, { from: quantity, toldAt: now, asksAgainAt: now + asksEveryMs })
      } else if (entry.from === quantity) entry.toldAt = now
    },
    notSoldOut(productId, quantity) {
      if (quantity >= (closed.get(productId)?.from ?? Infinity)) closed.delete(productId)
    },
    open: (productId) => void closed.delete(productId),
  }
}
