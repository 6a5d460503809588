import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openSaleFixture, type Offer, type SaleFixture } from '../../test/support/sale-fixture.ts'
import { adjustStock, createProduct, readStock } from './catalogue.ts'
import { createUser } from './users.ts'

let fixture: SaleFixture

beforeEach(async () => {
  fixture = await openSaleFixture()
})

afterEach(async () => {
  expect(await fixture.violated()).toEqual([])
  await fixture.close()
})

const now = (): number => fixture.clock.now()

function create(shopId: number, stock = 7) {
  const product = { shopId, name: 'Earbuds', priceMinor: 4_999, currency: 'EUR', stock }
  return fixture.run(createProduct({ ...product, now: now() }))
}

describe('a new product', () => {
  it('has all its stock available, and the ledger says where it came from', async () => {
    const product = await create(1)
    expect(product).toEqual({
      id: product?.id,
      shopId: 1,
      name: 'Earbuds',
      priceMinor: 4_999,
      currency: 'EUR',
    })
    const productId = product?.id ?? 0
    const stock = { productId, allotment: 7, available: 7, held: 0, sold: 0 }
    expect(await fixture.read(readStock(productId))).toEqual(stock)
    expect(await fixture.rows('select kind, quantity, reason from stock_movements')).toEqual([
      { kind: 'allotted', quantity: 7, reason: 'created' },
    ])
  })

  it('may have no stock yet', async () => {
    const product = await create(1, 0)
    expect(await fixture.read(readStock(product?.id ?? 0))).toMatchObject({ allotment: 0 })
  })

  it('belongs to a shop: one nobody has is refused, and nothing is left of it', async () => {
    expect(await create(99)).toBeUndefined()
    expect(await fixture.rows('select id from products')).toEqual([])
  })

  it('has no stock when nobody knows it', async () => {
    expect(await fixture.read(readStock(99))).toBeUndefined()
  })
})

describe('adjusting stock', () => {
  let offer: Offer

  beforeEach(async () => {
    offer = await fixture.sale({ stock: 10 })
    const user = await fixture.user()
    await fixture.hold(user, offer, 3)
    await fixture.paid(await fixture.user(), offer, 2)
  })

  function adjust(adjustBy: number, productId = offer.productId) {
    const change = { productId, adjustBy, reason: 'counted', allotmentMax: 1_000, now: now() }
    return fixture.run(adjustStock(change))
  }

  it('adds and takes away what is available, with a reason in the ledger', async () => {
    expect(await adjust(5)).toMatchObject({
      kind: 'adjusted',
      stock: { allotment: 15, available: 10, held: 3, sold: 2 },
    })
    expect(await adjust(-10)).toMatchObject({
      kind: 'adjusted',
      stock: { allotment: 5, available: 0, held: 3, sold: 2 },
    })
    const rows = `select quantity from stock_movements where reason = 'counted' order by id`
    expect(await fixture.rows(rows)).toEqual([{ quantity: 5 }, { quantity: -10 }])
  })

  it('never takes away what is held or sold', async () => {
    expect(await adjust(-6)).toMatchObject({
      kind: 'out_of_bounds',
      stock: { allotment: 10, available: 5, held: 3, sold: 2 },
    })
    expect(await fixture.rows(`select id from stock_movements where reason = 'counted'`)).toEqual(
      [],
    )
  })

  it('never goes above the largest allotment', async () => {
    expect(await adjust(990)).toMatchObject({ kind: 'adjusted' })
    expect(await adjust(1)).toMatchObject({ kind: 'out_of_bounds', stock: { allotment: 1_000 } })
  })

  it('of a product nobody knows changes nothing', async () => {
    expect(await adjust(1, 99)).toEqual({ kind: 'not_found' })
  })

  it('makes units that can be held at once', async () => {
    await adjust(-5)
    const user = await fixture.user()
    expect(await fixture.reserve(fixture.wish(user, offer))).toMatchObject([{ kind: 'refused' }])
    await adjust(1)
    expect(await fixture.reserve(fixture.wish(user, offer))).toMatchObject([{ kind: 'held' }])
  })
})

describe('a new user', () => {
  const add = (email: string) => fixture.run(createUser({ name: 'Ada', email }, now()))

  it('gets a shop of their own, where products can be put', async () => {
    const user = await add('ada@example.com')
    const shops = `select id, name from shops where owner_id = ?`
    const [shop] = await fixture.rows<{ id: number; name: string }>(shops, user?.id ?? 0)
    expect(shop?.name).toBe('Ada')
    expect(await create(shop?.id ?? 0)).toMatchObject({ shopId: shop?.id })
  })
})
