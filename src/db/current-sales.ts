import type {
  AddToCartRouting,
  AddToCartRoutingSetting,
  FlashSaleSchedule,
} from '../domain/flash-sale.ts'
import { all, first, padded, placeholders, run, type Script } from './database.ts'

/**
 * The sales that processes poll several times a second. Every query here reads by a partial index
 * of sales that are not archived, so its cost follows what runs, not what is planned or past.
 */
export interface CurrentSale extends FlashSaleSchedule {
  readonly id: number
  /** Null until its channels are first made, as `topicKey`. */
  readonly routing: AddToCartRouting | null
  readonly topicKey: string | null
  /** Changes whenever a product is added or removed. */
  readonly productsRevision: number
}

// The plus keeps SQLite from choosing the index by end, which holds every planned sale.
export const selectCurrentSales = `
  select id, state, starts_at as "startsAt", ends_at as "endsAt", routing,
    topic_key as "topicKey", products_revision as "productsRevision"
  from flash_sales
  where archived_at is null and starts_at <= ? and +ends_at > ? and state <> 'cancelled'
  order by starts_at, id`

/** Sales that start at `startsBy` or earlier and end after `endsAfter`, epoch ms. All of them. */
export function* readCurrentSales(
  startsBy: number,
  endsAfter: number,
): Script<readonly CurrentSale[]> {
  return yield* all<CurrentSale>(selectCurrentSales, startsBy, endsAfter)
}

const selectProductIds = (count: number) => `
  select flash_sale_id as "flashSaleId", product_id as "productId"
  from flash_sale_details
  where flash_sale_id in (${placeholders(count)})
  order by flash_sale_id, product_id`

/** Few enough for one statement's parameters, many enough that a start needs few statements. */
const salesPerReadMax = 512

/** Product ids of each sale, ascending. */
export function* readProductIds(
  saleIds: readonly number[],
): Script<ReadonlyMap<number, readonly number[]>> {
  const found = new Map<number, number[]>(saleIds.map((id) => [id, []]))
  for (let from = 0; from < saleIds.length; from += salesPerReadMax) {
    const ids = saleIds.slice(from, from + salesPerReadMax)
    const rows = yield* all<{ flashSaleId: number; productId: number }>(
      selectProductIds(ids.length),
      ...padded(ids),
    )
    for (const { flashSaleId, productId } of rows) found.get(flashSaleId)?.push(productId)
  }
  return found
}

/** Up to here a channel per product costs no more than a topic per product. */
const channelPerProductMax = 4

const decideBySize = `
  update flash_sales
  set topic_key = ?,
    routing = case
      when (select count(*) from flash_sale_details where flash_sale_id = flash_sales.id)
        <= ${channelPerProductMax}
      then 'channel-per-product' else 'topic-per-product' end
  where id = ? and routing is null`
const decideAsTold = `
  update flash_sales set topic_key = ?, routing = ? where id = ? and routing is null`

/**
 * Writes the routing and topic key of a sale, unless another node has: the first one counts for
 * all. With `auto` the number of products at this moment decides.
 */
export function* decideRouting(
  saleId: number,
  setting: AddToCartRoutingSetting,
  topicKey: string,
): Script<void> {
  if (setting === 'auto') yield* run(decideBySize, topicKey, saleId)
  else yield* run(decideAsTold, topicKey, setting, saleId)
}

export interface Offer {
  readonly flashSaleId: number
  readonly productId: number
}

export interface OfferedSale extends FlashSaleSchedule {
  /** Tells whether the product is in the sale. */
  readonly offered: boolean
}

const selectOffer = `
  select state, starts_at as "startsAt", ends_at as "endsAt",
    exists (
      select 1 from flash_sale_details d
      where d.flash_sale_id = flash_sales.id and d.product_id = ?) as offered
  from flash_sales
  where id = ?`

/**
 * The sale of each offer, in their order; undefined where there is no such sale. Same offers are
 * read once.
 */
export function* findOffers(
  offers: readonly Offer[],
): Script<readonly (OfferedSale | undefined)[]> {
  const found = new Map<string, OfferedSale | undefined>()
  const keyOf = ({ flashSaleId, productId }: Offer): string => `${flashSaleId}/${productId}`
  for (const offer of offers) {
    const key = keyOf(offer)
    if (found.has(key)) continue
    const { productId, flashSaleId } = offer
    const row = yield* first<FlashSaleSchedule & { offered: number | boolean }>(
      selectOffer,
      productId,
      flashSaleId,
    )
    found.set(key, row && { ...row, offered: Boolean(row.offered) })
  }
  return offers.map((offer) => found.get(keyOf(offer)))
}

const hasNoHold = `
  not exists (
    select 1 from reservations r where r.flash_sale_id = flash_sales.id and r.status = 'held')`
export const archiveEnded = `
  update flash_sales set archived_at = ?
  where archived_at is null and id in (
    select id from flash_sales
    where archived_at is null and ends_at <= ? and ${hasNoHold}
    order by ends_at limit ?)
  returning id`
export const archiveCancelled = `
  update flash_sales set archived_at = ?
  where archived_at is null and id in (
    select id from flash_sales
    where state = 'cancelled' and archived_at is null and ${hasNoHold}
    limit ?)
  returning id`

/** Called off sales that may still have holds: the list does not grow with the history. */
export const cancelledSaleIds = `
  select id from flash_sales where state = 'cancelled' and archived_at is null`

export const restoreRunning = `
  update flash_sales set archived_at = null
  where archived_at is not null and ends_at > ? and state <> 'cancelled'
  returning id`

/**
 * Takes sales that ended at `endedBy` or were called off, and have no hold left, out of what is
 * polled. Returns how many, at most `limit` of each kind. A sale that is not over at `now` comes back: the
 * clock of the process that archived it was ahead.
 */
export function* archiveSales(now: number, endedBy: number, limit: number): Script<number> {
  yield* all(restoreRunning, now)
  const ended = yield* all(archiveEnded, now, endedBy, limit)
  const cancelled = yield* all(archiveCancelled, now, limit)
  return Math.max(ended.length, cancelled.length)
}
