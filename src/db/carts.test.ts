import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openSaleFixture, type Offer, type SaleFixture } from '../../test/support/sale-fixture.ts'
import { clearCart, readCart, removeFromCart } from './carts.ts'

let fixture: SaleFixture
let offer: Offer
let user: number
let stranger: number

beforeEach(async () => {
  fixture = await openSaleFixture()
  offer = await fixture.sale({ stock: 10, priceMinor: 250, holdSeconds: 300 })
  const [first = 0, second = 0] = await fixture.users(2)
  user = first
  stranger = second
})

afterEach(async () => {
  expect(await fixture.violated()).toEqual([])
  await fixture.close()
})

const now = (): number => fixture.clock.now()
const cart = (userId = user) => fixture.read(readCart(userId, now()))
describe('the cart', () => {
  it('shows the live holds, the first to expire first', async () => {
    const first = await fixture.hold(user, offer, 2)
    fixture.clock.advance(1_000)
    const second = await fixture.hold(user, offer)
    expect(await cart()).toEqual([first, second])
  })

  it('shows nobody else’s', async () => {
    await fixture.hold(user, offer)
    expect(await cart(stranger)).toEqual([])
  })

  it('shows a hold until its last millisecond and not after', async () => {
    await fixture.hold(user, offer)
    fixture.clock.advance(299_999)
    expect(await cart()).toHaveLength(1)
    fixture.clock.advance(1)
    expect(await cart()).toEqual([])
  })

  it('is empty after checkout, and the next hold gets a new one', async () => {
    await fixture.invoice(user, offer)
    expect(await cart()).toEqual([])
    const hold = await fixture.hold(user, offer)
    expect(await cart()).toEqual([hold])
  })
})

describe('taking an item out', () => {
  it('gives its units back at once and names the product', async () => {
    const { id } = await fixture.hold(user, offer, 3)
    expect(await fixture.run(removeFromCart(user, id, now()))).toEqual([offer.productId])
    expect(await fixture.stock(offer)).toBe('10/0/0')
    expect(await fixture.status('reservations', id)).toBe('released')
    expect(await cart()).toEqual([])
  })

  it('twice does nothing the second time', async () => {
    const { id } = await fixture.hold(user, offer)
    await fixture.run(removeFromCart(user, id, now()))
    expect(await fixture.run(removeFromCart(user, id, now()))).toBeUndefined()
    expect(await fixture.stock(offer)).toBe('10/0/0')
  })

  it('of somebody else does nothing', async () => {
    const { id } = await fixture.hold(user, offer)
    expect(await fixture.run(removeFromCart(stranger, id, now()))).toBeUndefined()
    expect(await fixture.stock(offer)).toBe('9/1/0')
  })

  it('after checkout does nothing: the hold belongs to the invoice', async () => {
    const { id } = await fixture.hold(user, offer)
    await fixture.checkOut(user)
    expect(await fixture.run(removeFromCart(user, id, now()))).toBeUndefined()
    expect(await fixture.stock(offer)).toBe('9/1/0')
  })

  it('leaves the others, and everything goes with clearing', async () => {
    const other = await fixture.product(offer.flashSaleId)
    const { id } = await fixture.hold(user, offer)
    await fixture.hold(user, offer)
    await fixture.hold(user, other)
    await fixture.hold(stranger, offer)
    await fixture.run(removeFromCart(user, id, now()))
    expect(await fixture.run(clearCart(user, now()))).toEqual([offer.productId, other.productId])
    expect(await fixture.stock(offer)).toBe('9/1/0')
    expect(await cart()).toEqual([])
    expect(await cart(stranger)).toHaveLength(1)
  })

  it('clearing an empty cart, or one that is checked out, gives nothing back', async () => {
    expect(await fixture.run(clearCart(user, now()))).toEqual([])
    await fixture.invoice(user, offer)
    expect(await fixture.run(clearCart(user, now()))).toEqual([])
    expect(await fixture.stock(offer)).toBe('9/1/0')
  })
})
