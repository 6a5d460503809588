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
  readonly refusedFrom: number
}

export function createSoldOutGate(now: () => number): SoldOutGate {
  const refusedFrom = new Map<number, number>()
  const reopenings = new Map<number, Reopening>()

  /**
   * A message sent before the gate reopened may be a copy of one that was refused before: nsqd
   * killed and restarted can replay messages as first deliveries. Its shopper was told no, so no it
   * is.
   */
  function mayHaveBeenRefused(productId: number, quantity: number, sentAt: number): boolean {
    const reopening = reopenings.get(productId)
    if (reopening === undefined || quantity < reopening.refusedFrom) return false
    // A reopening in the future means the clock was set back: then the stamp says nothing.
    return sentAt < reopening.at && reopening.at <= now()
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
      reopenings.set(productId, { at: now(), refusedFrom: from })
    },
    closed: () => refusedFrom,
    forget(productId) {
      refusedFrom.delete(productId)
      reopenings.delete(productId)
    },
  }
}
