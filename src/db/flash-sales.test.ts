import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { FlashSaleState } from '../domain/flash-sale.ts'
import { openSaleFixture, type Offer, type SaleFixture } from '../../test/support/sale-fixture.ts'
import { changeFlashSaleState, createFlashSale, findFlashSale } from './flash-sales.ts'
import { addProductToSale, type AddProduct } from './products-in-sale.ts'

const hourMs = 3_600_000

let fixture: SaleFixture

beforeEach(async () => {
  fixture = await openSaleFixture()
})

afterEach(() => fixture.close())

const now = (): number => fixture.clock.now()
const change = (id: number, state: FlashSaleState) =>
  fixture.run(changeFlashSaleState(id, state, now()))

async function emptySale(startsIn = -hourMs, endsIn = hourMs): Promise<number> {
  const schedule = { startsAt: now() + startsIn, endsAt: now() + endsIn }
  const { id } = await fixture.run(
    createFlashSale({ name: '12.12', ...schedule, holdSeconds: 60, now: now() }),
  )
  return id
}

function add(offer: Offer, changes: Partial<AddProduct> = {}, productsMax = 10) {
  const terms = { salePriceMinor: undefined, purchaseLimit: undefined, now: now() }
  return fixture.run(addProductToSale({ ...offer, ...terms, ...changes }, productsMax))
}

describe('a new sale', () => {
  it('is open, with its schedule and no product', async () => {
    const id = await emptySale(5, 10)
    expect(await fixture.read(findFlashSale(id))).toEqual({
      id,
      name: '12.12',
      state: 'open',
      holdSeconds: 60,
      products: [],
      startsAt: now() + 5,
      endsAt: now() + 10,
    })
    expect(await fixture.read(findFlashSale(999))).toBeUndefined()
  })
})

describe('pausing, resuming and cancelling', () => {
  it.each<[FlashSaleState, FlashSaleState, string]>([
    ['open', 'paused', 'changed'],
    ['open', 'open', 'changed'],
    ['open', 'cancelled', 'changed'],
    ['paused', 'open', 'changed'],
    ['paused', 'paused', 'changed'],
    ['paused', 'cancelled', 'changed'],
    ['cancelled', 'open', 'over'],
    ['cancelled', 'paused', 'over'],
    ['cancelled', 'cancelled', 'changed'],
  ])('from %s to %s is %s', async (from, to, kind) => {
    const id = await emptySale()
    await change(id, from)
    expect(await change(id, to)).toMatchObject({ kind })
    const sale = await fixture.read(findFlashSale(id))
    expect(sale?.state).toBe(kind === 'over' ? from : to)
  })

  it.each<FlashSaleState>(['open', 'paused', 'cancelled'])(
    'to %s comes too late once the sale has ended',
    async (state) => {
      const id = await emptySale(-hourMs, 1)
      fixture.clock.advance(1)
      expect(await change(id, state)).toEqual({ kind: 'over' })
      expect(await fixture.read(findFlashSale(id))).toMatchObject({ state: 'open' })
    },
  )

  it('a sale nobody knows changes nothing', async () => {
    expect(await change(999, 'paused')).toEqual({ kind: 'not_found' })
  })

  it('leaves every other sale alone', async () => {
    const [one, other] = [await emptySale(), await emptySale()]
    await change(one, 'cancelled')
    expect(await fixture.read(findFlashSale(other))).toMatchObject({ state: 'open' })
  })
})

describe('putting a product into a sale', () => {
  let offer: Offer

  beforeEach(async () => {
    const elsewhere = await fixture.sale({ stock: 3, priceMinor: 500 })
    await change(elsewhere.flashSaleId, 'cancelled')
    offer = { flashSaleId: await emptySale(), productId: elsewhere.productId }
  })

  it('takes the product’s price and no limit unless told', async () => {
    expect(await add(offer)).toMatchObject({
      kind: 'added',
      product: { productId: offer.productId, priceMinor: 500, purchaseLimit: null, available: 3 },
      sale: { products: [{ productId: offer.productId }] },
    })
  })

  it('takes the sale’s price and limit, a price of nothing too', async () => {
    expect(await add(offer, { salePriceMinor: 0, purchaseLimit: 2 })).toMatchObject({
      product: { priceMinor: 0, purchaseLimit: 2 },
    })
  })

  it.each<[string, Partial<AddProduct>]>([
    ['sale_not_found', { flashSaleId: 999 }],
    ['product_not_found', { productId: 999 }],
  ])('is refused as %s', async (kind, changes) => {
    expect(await add(offer, changes)).toEqual({ kind })
  })

  it('twice is refused, and the first terms stay', async () => {
    await add(offer)
    expect(await add(offer, { salePriceMinor: 1 })).toEqual({ kind: 'already_in_sale' })
    expect(await fixture.read(findFlashSale(offer.flashSaleId))).toMatchObject({
      products: [{ priceMinor: 500 }],
    })
  })

  it('is refused when the sale is over or cancelled', async () => {
    const cancelled = await emptySale()
    await change(cancelled, 'cancelled')
    expect(await add({ ...offer, flashSaleId: cancelled })).toEqual({ kind: 'over' })
    const ended = await emptySale(-hourMs, 0)
    expect(await add({ ...offer, flashSaleId: ended })).toEqual({ kind: 'over' })
  })

  it('is refused when the sale is full', async () => {
    expect(await add(offer, {}, 0)).toEqual({ kind: 'full' })
  })

  it('is possible while the sale is paused or has not begun', async () => {
    await change(offer.flashSaleId, 'paused')
    expect(await add(offer)).toMatchObject({ kind: 'added' })
    const later = await emptySale(2 * hourMs, 3 * hourMs)
    expect(await add({ ...offer, flashSaleId: later })).toMatchObject({ kind: 'added' })
  })

  it.each([
    ['overlaps its beginning', -2 * hourMs, -hourMs + 1, 'in_another_sale'],
    ['overlaps its end', hourMs - 1, 2 * hourMs, 'in_another_sale'],
    ['lies inside it', -10, 10, 'in_another_sale'],
    ['comes right after it', hourMs, 2 * hourMs, 'added'],
  ])('that is in a sale is judged by whether the other one %s', async (_, from, to, kind) => {
    await add(offer)
    const other = await emptySale(from, to)
    const before = now() - 3 * hourMs
    expect(await add({ ...offer, flashSaleId: other }, { now: before })).toMatchObject({ kind })
  })
})
