import type { Stock } from '../domain/stock.ts'
import { first, one, run, type Script } from './database.ts'

/** A product of a shop. */
export interface Product {
  readonly id: number
  readonly shopId: number
  readonly name: string
  /** Minor units of `currency`. */
  readonly priceMinor: number
  readonly currency: string
}

export interface NewProduct extends Omit<Product, 'id'> {
  /** Units to sell. */
  readonly stock: number
  readonly now: number
}

const selectShop = `select id from shops where id = ?`
const insertProduct = `
  insert into products (shop_id, name, price_minor, currency, created_at)
  values (?, ?, ?, ?, ?)
  returning id`
const insertStock = `
  insert into stock (product_id, allotment, available, held, sold) values (?, ?, ?, 0, 0)`
const insertAllotted = `
  insert into stock_movements (product_id, kind, quantity, reason, created_at)
  values (?, 'allotted', ?, ?, ?)`

/** Creates a product with its stock; undefined when the shop does not exist. */
export function* createProduct(product: NewProduct): Script<Product | undefined> {
  const { shopId, name, priceMinor, currency, stock, now } = product
  if ((yield* first(selectShop, shopId)) === undefined) return undefined
  const { id } = yield* one<{ id: number }>(insertProduct, shopId, name, priceMinor, currency, now)
  yield* run(insertStock, id, stock, stock)
  yield* run(insertAllotted, id, stock, 'created', now)
  return { id, shopId, name, priceMinor, currency }
}

const selectStock = `
  select product_id as "productId", allotment, available, held, sold
  from stock where product_id = ?`

export function* readStock(productId: number): Script<Stock | undefined> {
  return yield* first<Stock>(selectStock, productId)
}

const adjust = `
  update stock set allotment = allotment + ?, available = available + ?
  where product_id = ? and available + ? >= 0 and allotment + ? <= ?
  returning product_id`

export interface StockAdjustment {
  readonly productId: number
  /** Signed number of units. */
  readonly adjustBy: number
  readonly reason: string
  readonly allotmentMax: number
  readonly now: number
}

export type AdjustResult =
  | { readonly kind: 'adjusted'; readonly stock: Stock }
  /** Fewer units are available than the adjustment takes, or it would exceed `allotmentMax`. */
  | { readonly kind: 'out_of_bounds'; readonly stock: Stock }
  | { readonly kind: 'not_found' }

/** Changes the number of units. It never takes away held or sold ones. */
export function* adjustStock(adjustment: StockAdjustment): Script<AdjustResult> {
  const { productId, adjustBy, reason, allotmentMax, now } = adjustment
  const adjusted = yield* first(
    adjust,
    adjustBy,
    adjustBy,
    productId,
    adjustBy,
    adjustBy,
    allotmentMax,
  )
  if (adjusted !== undefined) yield* run(insertAllotted, productId, adjustBy, reason, now)
  const stock = yield* readStock(productId)
  if (stock === undefined) return { kind: 'not_found' }
  return { kind: adjusted === undefined ? 'out_of_bounds' : 'adjusted', stock }
}
