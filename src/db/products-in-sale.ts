import { findFlashSale, type FlashSaleRow, type ProductInSale } from './flash-sales.ts'
import { first, run, type Script } from './database.ts'

/** The price of a product outside of sales, in minor units of its currency. */
export interface ListPrice {
  readonly priceMinor: number
  readonly currency: string
}

export interface PriceAboveList {
  readonly kind: 'price_above_list'
  readonly priceMinor: number
  readonly list: ListPrice
}

export interface AddProduct {
  readonly flashSaleId: number
  readonly productId: number
  /** The price in the sale; the product's own price unless given. */
  readonly salePriceMinor: number | undefined
  readonly purchaseLimit: number | undefined
  /** Takes a price above the product's own, which is refused otherwise. */
  readonly allowAboveList?: boolean | undefined
  readonly now: number
}

export type AddProductResult =
  | { readonly kind: 'added'; readonly sale: FlashSaleRow; readonly product: ProductInSale }
  | {
      readonly kind:
        | 'sale_not_found'
        | 'product_not_found'
        | 'over'
        | 'full'
        | 'already_in_sale'
        | 'in_another_sale'
    }
  | PriceAboveList

const selectPrice = `select price_minor as "priceMinor", currency from products where id = ?`
const selectOverlapping = `
  select s.id from flash_sale_details d
  join flash_sales s on s.id = d.flash_sale_id
  where d.product_id = ? and s.id <> ? and s.state <> 'cancelled'
    and s.starts_at < ? and s.ends_at > ?
  limit 1`
const insertProductInSale = `
  insert into flash_sale_details (flash_sale_id, product_id, price_minor, purchase_limit, created_at)
  values (?, ?, ?, ?, ?)`

/** Adds a product to a sale. A product is in one sale at a time, because it has one consumer. */
export function* addProductToSale(add: AddProduct, productsMax: number): Script<AddProductResult> {
  const { flashSaleId, productId, now } = add
  const sale = yield* findFlashSale(flashSaleId)
  if (sale === undefined) return { kind: 'sale_not_found' }
  if (sale.state === 'cancelled' || sale.endsAt <= now) return { kind: 'over' }
  const price = yield* first<ListPrice>(selectPrice, productId)
  if (price === undefined) return { kind: 'product_not_found' }
  if (sale.products.some((each) => each.productId === productId)) return { kind: 'already_in_sale' }
  if (sale.products.length >= productsMax) return { kind: 'full' }
  const other = yield* first(selectOverlapping, productId, flashSaleId, sale.endsAt, sale.startsAt)
  if (other !== undefined) return { kind: 'in_another_sale' }
  const priceMinor = add.salePriceMinor ?? price.priceMinor
  if (priceMinor > price.priceMinor && add.allowAboveList !== true) {
    return { kind: 'price_above_list', priceMinor, list: price }
  }
  yield* run(
    insertProductInSale,
    flashSaleId,
    productId,
    priceMinor,
    add.purchaseLimit ?? null,
    now,
  )
  const changed = yield* findFlashSale(flashSaleId)
  const product = changed?.products.find((each) => each.productId === productId)
  if (changed === undefined || product === undefined) throw new Error('the product was not added')
  return { kind: 'added', sale: changed, product }
}

export interface ChangeProduct {
  readonly flashSaleId: number
  readonly productId: number
  /** Unchanged when undefined. */
  readonly salePriceMinor: number | undefined
  /** Unchanged when undefined; null lifts it. */
  readonly purchaseLimit: number | null | undefined
  readonly allowAboveList?: boolean | undefined
  /** Epoch ms. */
  readonly now: number
}

export type ChangeProductResult =
  | { readonly kind: 'changed'; readonly product: ProductInSale }
  | { readonly kind: 'not_found' | 'over' | 'running' }
  | PriceAboveList

const changeSql = `
  update flash_sale_details set
    price_minor = coalesce(asked.price, price_minor),
    limit_changed_at = case
      when sets_limit and purchase_limit is not new_limit then asked.now else limit_changed_at end,
    purchase_limit = case when sets_limit then new_limit else purchase_limit end
  from (select ? as price, ? as sets_limit, ? as new_limit, ? as is_above_allowed, ? as now) asked
  where flash_sale_id = ? and product_id = ?
    and exists (
      select 1 from flash_sales s
      where s.id = flash_sale_details.flash_sale_id and s.state <> 'cancelled'
        and s.ends_at > asked.now and (asked.price is null or s.starts_at > asked.now))
    and (asked.price is null or is_above_allowed or asked.price <= (
      select p.price_minor from products p where p.id = flash_sale_details.product_id))
  returning product_id`

/**
 * Changes the terms of a product in a sale: the price only before the start, so that all shoppers see one price;
 * the purchase limit at any time. Holds keep the terms they were taken under.
 */
export function* changeProductInSale(change: ChangeProduct): Script<ChangeProductResult> {
  const { flashSaleId, productId, purchaseLimit, allowAboveList, now } = change
  const price = change.salePriceMinor ?? null
  const changed = yield* first(
    changeSql,
    price,
    purchaseLimit === undefined ? 0 : 1,
    purchaseLimit ?? null,
    allowAboveList === true ? 1 : 0,
    now,
    flashSaleId,
    productId,
  )
  const sale = yield* findFlashSale(flashSaleId)
  const product = sale?.products.find((each) => each.productId === productId)
  if (sale === undefined || product === undefined) return { kind: 'not_found' }
  if (changed !== undefined) return { kind: 'changed', product }
  if (sale.state === 'cancelled' || sale.endsAt <= now) return { kind: 'over' }
  if (price !== null && sale.startsAt <= now) return { kind: 'running' }
  const list = yield* first<ListPrice>(selectPrice, productId)
  if (list === undefined || price === null) throw new Error('the product was not changed')
  return { kind: 'price_above_list', priceMinor: price, list }
}
