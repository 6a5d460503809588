import type { Call } from './http.ts'
import { testAdminToken } from './start-app.ts'

export interface TestSale {
  readonly flashSaleId: number
  readonly productId: number
}

export interface TestSaleOptions {
  readonly stock?: number
  readonly priceMinor?: number
  readonly currency?: string
  readonly purchaseLimit?: number
  readonly holdSeconds?: number
  readonly startsAt?: string
  readonly endsAt?: string
}

/** A running flash sale with one product, made over the admin API. */
export async function createSale(call: Call, options: TestSaleOptions = {}): Promise<TestSale> {
  const { stock = 50, priceMinor = 4_999, currency = 'EUR', purchaseLimit, holdSeconds } = options
  const { startsAt = '2020-12-12T12:12:00Z', endsAt = '2099-12-12T12:12:00Z' } = options
  const token = testAdminToken
  const schedule = { name: '12.12 Flash Sale', startsAt, endsAt, holdSeconds }
  const sale = await call('POST', '/v1/admin/flash-sales', { token, body: schedule })
  const product = { name: 'Wireless Earbuds', priceMinor, currency, stock }
  const made = await call('POST', '/v1/admin/products', { token, body: product })
  const flashSaleId = numberOf(sale.body, 'id')
  const productId = numberOf(made.body, 'id')
  const body = { productId, purchaseLimit }
  const added = await call('POST', `/v1/admin/flash-sales/${flashSaleId}/products`, { token, body })
  if (added.status !== 201) throw new Error(`product not added: ${added.text}`)
  return { flashSaleId, productId }
}

export interface TestShopper {
  readonly id: number
  readonly token: string
}

/** Makes new shoppers in one request. */
export async function createShoppers(call: Call, count: number): Promise<readonly TestShopper[]> {
  const body = { count }
  const made = await call('POST', '/v1/admin/users/batch', { token: testAdminToken, body })
  const { users } = made.body as unknown as { readonly users: readonly TestShopper[] }
  return users
}

export async function createShopper(call: Call): Promise<TestShopper> {
  const [shopper] = await createShoppers(call, 1)
  if (shopper === undefined) throw new Error('no shopper was made')
  return shopper
}

function numberOf(body: unknown, key: string): number {
  const value = (body as Readonly<Record<string, unknown>>)[key]
  if (typeof value !== 'number') throw new Error(`no ${key} in ${JSON.stringify(body)}`)
  return value
}
