import { LRUCache } from 'lru-cache'
import type { Clock } from '../../clock.ts'

/**
 * Remembers for half a second that an offer is not there, called off or over. The catalog knows
 * only sales that run or start soon, so without this memory each request for another one asked the
 * database: 406 statements for 200 requests, where a sold-out product took 12.
 */
export interface RefusedOffers {
  find(flashSaleId: number, productId: number): OfferRefusal | undefined
  remember(flashSaleId: number, productId: number, refusal: OfferRefusal): void
  /** Remembers that the whole sale does not exist, for every product. */
  rememberUnknownSale(flashSaleId: number): void
  /** Forgets everything, for a change made by this node. */
  clear(): void
}

export type OfferRefusal = 'sale_not_open' | 'product_not_in_sale'

/** With the catalog's quarter of a second, a change made by another node shows within a second. */
const keptMs = 500
/** A crowd asks for few offers. A caller who tries out numbers can only make the database be asked again. */
const offersMax = 10_000

/** `undefined` as product means every product of the sale. */
const keyOf = (flashSaleId: number, productId?: number): string =>
  productId === undefined ? `${flashSaleId}` : `${flashSaleId}/${productId}`

export function createRefusedOffers(clock: Clock): RefusedOffers {
  const refused = new LRUCache<string, OfferRefusal>({
    // Not `max`: that makes the room for all at the start, which takes milliseconds.
    maxSize: offersMax,
    sizeCalculation: () => 1,
    ttl: keptMs,
    // It takes a start at 0 for none.
    perf: { now: () => clock.monotonic() + 1 },
    // Without this the cache remembers the time for a real millisecond, by a timer of its own.
    ttlResolution: 0,
  })

  return {
    find: (flashSaleId, productId) =>
      refused.get(keyOf(flashSaleId, productId)) ?? refused.get(keyOf(flashSaleId)),
    remember(flashSaleId, productId, refusal) {
      refused.set(keyOf(flashSaleId, productId), refusal)
    },
    rememberUnknownSale(flashSaleId) {
      refused.set(keyOf(flashSaleId), 'product_not_in_sale')
    },
    clear: () => {
      refused.clear()
    },
  }
}
