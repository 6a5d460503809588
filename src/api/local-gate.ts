import type { Clock } from '../clock.ts'

/**
 * The API node's own short memory of "sold out". It expires by itself, so the node asks the queue again
 * a few times a second even when the news of a release is lost.
 */
export interface LocalGate {
  refuses(productId: number, quantity: number): boolean
  /** The consumer refused this quantity as sold out. */
  close(productId: number, quantity: number): void
  open(productId: number): void
}

/** With the consumer's probe of one second this keeps "sold out" under 1.5 s after a release. */
const closedForMs = 250

interface Closed {
  readonly from: number
  readonly until: number
}

export function createLocalGate(clock: Clock): LocalGate {
  const closed = new Map<number, Closed>()
  return {
    refuses(productId, quantity) {
      const entry = closed.get(productId)
      if (entry === undefined || quantity < entry.from) return false
      if (entry.until > clock.monotonic()) return true
      closed.delete(productId)
      return false
    },
    close(productId, quantity) {
      const known = closed.get(productId)
      // A refusal that was under way must not prolong what an older one began.
      if (known !== undefined && known.from <= quantity && known.until > clock.monotonic()) return
      closed.set(productId, { from: quantity, until: clock.monotonic() + closedForMs })
    },
    open: (productId) => void closed.delete(productId),
  }
}
