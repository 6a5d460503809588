import { copyFile, open } from 'node:fs/promises'
import { systemClock } from '../src/clock.ts'
import { createProduct } from '../src/db/catalogue.ts'
import { createFlashSale } from '../src/db/flash-sales.ts'
import { addProductToSale } from '../src/db/products-in-sale.ts'
import { openSqlite } from '../src/db/sqlite/sqlite-database.ts'
import { Sqlite } from '../src/db/sqlite/driver.ts'

/** The sale in the database of a cell. */
export interface Sale {
  readonly flashSaleId: number
  readonly productIds: readonly number[]
}

export interface SaleShape {
  readonly products: number
  /** The units of each product. */
  readonly stock: number
  /** The hold time; by default so long that no hold expires. */
  readonly holdSeconds?: number
}

const defaultShopId = 1
const hourMs = 3_600_000
const longHoldSeconds = 3_600
/** The limit is checked, but so high that no shopper reaches it. */
export const purchaseLimit = 100
const productsMax = 1_000

/** Copies the shoppers' database and opens a sale in it; the file is synced when this returns. */
export async function makeSale(from: string, path: string, shape: SaleShape): Promise<Sale> {
  await copyFile(from, path)
  const database = openSqlite({ path, clock: systemClock, random: Math.random })
  const now = Date.now()
  const { holdSeconds = longHoldSeconds } = shape
  const times = { startsAt: now - hourMs, endsAt: now + 24 * hourMs, holdSeconds, now }
  const sale = await database.transaction(function* () {
    const { id: flashSaleId } = yield* createFlashSale({ name: 'Benchmark', ...times })
    const productIds: number[] = []
    for (let number = 1; number <= shape.products; number++) {
      const what = { name: `Product ${number}`, priceMinor: 19_900, currency: 'EUR' }
      const made = { shopId: defaultShopId, ...what, stock: shape.stock, now }
      const product = yield* createProduct(made)
      if (product === undefined) throw new Error('the default shop is missing')
      const productId = product.id
      const add = { flashSaleId, productId, salePriceMinor: undefined, purchaseLimit, now }
      yield* addProductToSale(add, productsMax)
      productIds.push(productId)
    }
    return { flashSaleId, productIds }
  })
  await database.close()
  await flush(path)
  return sale
}

/** Writes all pages to disk; otherwise the first commit of the measurement would pay for them. */
async function flush(path: string): Promise<void> {
  const file = await open(path, 'r+')
  await file.sync()
  await file.close()
}

/** The numbers of rows that answered holds and paid invoices must have left. */
export interface Rows {
  readonly reservations: number
  readonly cartDetails: number
  readonly heldMovements: number
  /** Units held or sold, by the counters. */
  readonly unitsTaken: number
  readonly paidInvoices: number
}

const selectRows = `
  select
    (select count(*) from reservations where status in ('held', 'sold')) as reservations,
    (select count(*) from cart_details) as "cartDetails",
    (select count(*) from stock_movements where kind = 'held') as "heldMovements",
    (select sum(held + sold) from stock) as "unitsTaken",
    (select count(*) from invoices where status = 'paid') as "paidInvoices"`

export function countRows(path: string): Rows {
  const connection = new Sqlite(path, { readonly: true })
  try {
    const rows = connection.prepare<[], Rows>(selectRows).get()
    if (rows === undefined) throw new Error('the counts are missing')
    return rows
  } finally {
    connection.close()
  }
}
