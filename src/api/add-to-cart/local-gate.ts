import type { Clock } from '../../clock.ts'

/**
 * The API node's own short memory of "sold out". A few times a second it lets one request through to
 * find out whether that is still so, even when the news of a release is lost; all others go on being
 * refused meanwhile, or every crowd would reach the queue four times a second.
 */
export interface LocalGate {
  refuses(productId: number, quantity: number): boolean
  /** The consumer refused this quantity as sold out. */
  close(productId: number, quantity: number): void
  /** The consumer gave this quantity to somebody, or refused it for a reason of the shopper's own. */
  notSoldOut(productId: number, quantity: number): void
  open(productId: number): void
}

/** With the consumer's probe of one second this keeps "sold out" under 1.5 s after a release. */
const asksEveryMs = 250
/** What nobody was told again for so long is no longer known. */
const forgetsAfterMs = 500

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

  return {
    refuses(productId, quantity) {
      const now = clock.monotonic()
      const entry = known(productId, quantity, now)
      if (entry === undefined) return false
      // That more is refused would say nothing about `from`.
      if (quantity > entry.from || now < entry.asksAgainAt) return true
      entry.asksAgainAt = now + asksEveryMs
      return false
    },
    close(productId, quantity) {
      const now = clock.monotonic()
      const entry = known(productId, quantity, now)
      // A refusal that was under way must not put off the next question.
      if (entry === undefined) {
        closed.set(productId, { from: quantity, toldAt: now, asksAgainAt: now + asksEveryMs })
      } else if (entry.from === quantity) entry.toldAt = now
    },
    notSoldOut(productId, quantity) {
      if (quantity >= (closed.get(productId)?.from ?? Infinity)) closed.delete(productId)
    },
    open: (productId) => void closed.delete(productId),
  }
}
