import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openSaleFixture, type Offer, type SaleFixture } from '../../test/support/sale-fixture.ts'
import { limits } from '../domain/limits.ts'
import { addProductToSale, changeProductInSale, type ChangeProduct } from './products-in-sale.ts'

let fixture: SaleFixture

beforeEach(async () => {
  fixture = await openSaleFixture()
})

afterEach(async () => {
  expect(await fixture.violated()).toEqual([])
  await fixture.close()
})

const hourMs = 3_600_000
const now = (): number => fixture.clock.now()
const future = () => fixture.sale({ priceMinor: 500, startsIn: hourMs, endsIn: 2 * hourMs })

function change(offer: Offer, changes: Partial<ChangeProduct>) {
  const unchanged = { salePriceMinor: undefined, purchaseLimit: undefined }
  return fixture.run(changeProductInSale({ ...offer, ...unchanged, now: now(), ...changes }))
}

describe('a price above the list price', () => {
  it('is refused unless it is meant, when a product is added', async () => {
    const { productId } = await fixture.sale({ priceMinor: 500, endsIn: 1 })
    const other = await fixture.sale({ startsIn: 2 })
    const add = { flashSaleId: other.flashSaleId, productId, purchaseLimit: undefined, now: now() }
    expect(await fixture.run(addProductToSale({ ...add, salePriceMinor: 501 }, 10))).toEqual({
      kind: 'price_above_list',
      priceMinor: 501,
      list: { priceMinor: 500, currency: 'EUR' },
    })
    const meant = { ...add, salePriceMinor: 501, allowAboveList: true }
    expect(await fixture.run(addProductToSale(meant, 10))).toMatchObject({
      kind: 'added',
      product: { priceMinor: 501 },
    })
  })

  it('is refused unless it is meant, when a price is changed', async () => {
    const offer = await future()
    const high = { salePriceMinor: 501, purchaseLimit: 3 }
    expect(await change(offer, high)).toMatchObject({ kind: 'price_above_list' })
    const product = { priceMinor: 500, purchaseLimit: null }
    expect(await change(offer, {})).toMatchObject({ kind: 'changed', product })
    expect(await change(offer, { ...high, allowAboveList: true })).toMatchObject({
      kind: 'changed',
      product: { priceMinor: 501, purchaseLimit: 3 },
    })
  })
})

describe('changing a product in a sale', () => {
  it('changes the price before the start and not after', async () => {
    const offer = await future()
    expect(await change(offer, { salePriceMinor: 400 })).toMatchObject({
      kind: 'changed',
      product: { priceMinor: 400 },
    })
    fixture.clock.advance(hourMs)
    expect(await change(offer, { salePriceMinor: 300, purchaseLimit: 1 })).toEqual({
      kind: 'running',
    })
    expect(await change(offer, {})).toMatchObject({
      product: { priceMinor: 400, purchaseLimit: null },
    })
  })

  it('lowers the limit for new holds, leaves what is held, and lifts it again', async () => {
    const offer = await fixture.sale({ purchaseLimit: 4 })
    const user = await fixture.user()
    await fixture.hold(user, offer, 3)
    expect(await change(offer, { purchaseLimit: 1 })).toMatchObject({ kind: 'changed' })
    expect(await fixture.violated()).toEqual([])
    const refused = [{ kind: 'refused', refusal: 'purchase_limit_reached' }]
    expect(await fixture.reserve(fixture.wish(user, offer))).toEqual(refused)
    await change(offer, { purchaseLimit: null })
    await fixture.hold(user, offer, 7)
    expect(await fixture.stock(offer)).toBe('0/10/0')
  })

  it('is refused when the sale is over, and for what is not there', async () => {
    const offer = await fixture.sale({ endsIn: 1 })
    expect(await change({ ...offer, productId: 999 }, {})).toEqual({ kind: 'not_found' })
    fixture.clock.advance(1)
    expect(await change(offer, { purchaseLimit: 1 })).toEqual({ kind: 'over' })
  })
})

describe('the highest price', () => {
  it('is sold one by one, so that the total of a cart stays exact', async () => {
    const offer = await fixture.sale({ priceMinor: limits.priceMinorMax })
    const user = await fixture.user()
    const two = fixture.wish(user, offer, { quantity: 2 })
    expect(await fixture.reserve(two)).toEqual([{ kind: 'refused', refusal: 'cart_full' }])
    await fixture.hold(user, offer)
    expect(await fixture.checkOut(user)).toMatchObject({ totalMinor: limits.priceMinorMax })
    const full = limits.lineTotalMinorMax * limits.cartLinesMax
    expect(Number.isSafeInteger(full)).toBe(true)
  })
})
