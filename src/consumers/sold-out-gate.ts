/**
 * Remembers per product that the database said no, so that the losers of a sale do not reach it. It
 * may say "sold out" a moment too long; it can never say "available".
 */
export interface SoldOutGate {
  /**
   * Tells whether a request for `quantity`, sent at `sentAt`, is refused without asking the
   * database.
   */
  refuses(productId: number, quantity: number, sentAt: number): boolean
  /**
   * Closes the gate after the database refused `quantity`: at most `quantity - 1` are available.
   */
  close(productId: number, quantity: number): void
  /** Opens the gate when stock came back: the database is asked again. */
  open(productId: number): void
  /** Returns the products with a closed gate and their smallest refused quantity. */
  closed(): ReadonlyMap<number, number>
  /** Forgets a product that is no longer sold. */
  forget(productId: number): void
}

interface Reopening {
  readonly at: number
  /** The smallest quantity that was refused before it. */
  readonly refusedFrom: number
}

export function createSoldOutGate(now: () => number): SoldOutGate {
  const refusedFrom = new Map<number, number>()
  /**
   * By `refusedFrom`, ascending. A reopening replaces the older ones of the same and of larger
   * quantities, because it covers them, so there is at most one per quantity.
   */
  const reopenings = new Map<number, Reopening[]>()

  /**
   * A message sent before the gate reopened may be a copy of one that was refused before: nsqd killed
   * and restarted can replay messages as first deliveries. The shopper was told sold out, so that stays.
   */
  function mayHaveBeenRefused(productId: number, quantity: number, sentAt: number): boolean {
    const known = reopenings.get(productId)
    if (known === undefined) return false
    for (const { at, refusedFrom: from } of known) {
      if (quantity < from) return false
      // A reopening in the future means that the clock was set back: then the stamp tells nothing.
      if (sentAt < at && at <= now()) return true
    }
    return false
  }

  return {
    refuses(productId, quantity, sentAt) {
      const from = refusedFrom.get(productId)
      if (from !== undefined && quantity >= from) return true
      return mayHaveBeenRefused(productId, quantity, sentAt)
    },
    close(productId, quantity) {
      refusedFrom.set(productId, Math.min(quantity, refusedFrom.get(productId) ?? Infinity))
    },
    open(productId) {
      const from = refusedFrom.get(productId)
      if (from === undefined) return
      refusedFrom.delete(productId)
      const smaller = (reopenings.get(productId) ?? []).filter((each) => each.refusedFrom < from)
      reopenings.set(productId, [...smaller, { at: now(), refusedFrom: from }])
    },
    closed: () => refusedFrom,
    forget(productId) {
      refusedFrom.delete(productId)
      reopenings.delete(productId)
    },
  }
}
