import type { FlashSaleStatus } from '../domain/flash-sale.ts'
import { all, padded, placeholders, type Script, type SqlValue } from './database.ts'
import type { FlashSaleRow, ProductInSale } from './flash-sales.ts'

/** A sale of the public list. */
export interface ListedFlashSale extends FlashSaleRow {
  /** The first ones by their id; `moreProducts` says whether there are others. */
  readonly products: readonly ProductInSale[]
  readonly moreProducts: boolean
}

/** Where the page before ended. */
export interface ListPosition {
  /** Epoch ms. */
  readonly endsAt: number
  readonly id: number
}

export interface ListedPage {
  /** The status to list; all sales that are not over unless given. */
  readonly status: FlashSaleStatus | undefined
  readonly after: ListPosition | undefined
  readonly limit: number
  readonly productsMax: number
  /** Epoch ms. */
  readonly now: number
}

type SaleRow = Omit<FlashSaleRow, 'products'>

const saleColumns = `
  id, name, state, starts_at as "startsAt", ends_at as "endsAt", hold_seconds as "holdSeconds"`

/** Sales that are not over, those that end first coming first; of the same end the newest. */
const selectComing = (also = '') => `
  select ${saleColumns} from flash_sales
  where state <> 'cancelled' and ends_at >= ? and (ends_at > ? or id < ?) ${also}
  order by ends_at, id desc limit ?`

/** Sales that are over, the last one first. */
const selectPast = (state: string) => `
  select ${saleColumns} from flash_sales
  where ${state} and ends_at <= ? and (ends_at < ? or id > ?)
  order by ends_at desc, id limit ?`

const coming = {
  all: selectComing(),
  scheduled: selectComing(`and state = 'open' and starts_at > ?`),
  active: selectComing(`and state = 'open' and starts_at <= ?`),
  paused: selectComing(`and state = 'paused'`),
}
const past = {
  ended: selectPast(`state <> 'cancelled'`),
  cancelled: selectPast(`state = 'cancelled'`),
}

/**
 * A page of the public list. Its statements read by index what they show, whatever is planned or
 * past; only `active` also passes over the index entries of planned sales that end earlier than a
 * running one.
 */
export function* listFlashSales(page: ListedPage): Script<readonly ListedFlashSale[]> {
  const sales = yield* readSales(page)
  return yield* withFirstProducts(sales, page.productsMax)
}

function readSales({ status, after, limit, now }: ListedPage): Script<readonly SaleRow[]> {
  switch (status) {
    case 'ended':
    case 'cancelled': {
      const { endsAt, id } = after ?? { endsAt: Number.MAX_SAFE_INTEGER, id: 0 }
      const until = status === 'ended' ? Math.min(endsAt, now) : endsAt
      return all<SaleRow>(past[status], until, endsAt, id, limit)
    }
    case 'scheduled':
    case 'active':
    case 'paused':
    case undefined: {
      const { endsAt, id } = after ?? { endsAt: 0, id: 0 }
      const clock: readonly SqlValue[] = status === 'scheduled' || status === 'active' ? [now] : []
      const from = Math.max(endsAt, now + 1)
      return all<SaleRow>(coming[status ?? 'all'], from, endsAt, id, ...clock, limit)
    }
  }
}

/** One product more of each sale than is shown tells whether there are others. */
const selectFirstProducts = (count: number) => `
  select d.flash_sale_id as "flashSaleId", d.product_id as "productId", p.name,
    d.price_minor as "priceMinor", p.currency, d.purchase_limit as "purchaseLimit", s.available
  from flash_sales f
  join flash_sale_details d on d.flash_sale_id = f.id and d.product_id in (
    select e.product_id from flash_sale_details e
    where e.flash_sale_id = f.id order by e.product_id limit ?)
  join products p on p.id = d.product_id
  join stock s on s.product_id = d.product_id
  where f.id in (${placeholders(count)})
  order by d.flash_sale_id, d.product_id`

function* withFirstProducts(
  sales: readonly SaleRow[],
  productsMax: number,
): Script<readonly ListedFlashSale[]> {
  if (sales.length === 0) return []
  const rows = yield* all<ProductInSale & { flashSaleId: number }>(
    selectFirstProducts(sales.length),
    productsMax + 1,
    ...padded(sales.map(({ id }) => id)),
  )
  const products = new Map<number, ProductInSale[]>(sales.map(({ id }) => [id, []]))
  for (const { flashSaleId, ...product } of rows) products.get(flashSaleId)?.push(product)
  return sales.map((sale) => {
    const first = products.get(sale.id) ?? []
    const moreProducts = first.length > productsMax
    return { ...sale, products: first.slice(0, productsMax), moreProducts }
  })
}
