import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { AddToCartOutcome } from '../../domain/reservation.ts'
import {
  openSaleFixture,
  type Offer,
  type SaleFixture,
} from '../../../test/support/sale-fixture.ts'
import { nobodysUid } from '../../../test/support/tokens.ts'
import { changeFlashSaleState } from '../flash-sales.ts'
import { findRecordedHolds } from './recorded-outcomes.ts'
import { readAvailable } from './reserve-batch.ts'

let fixture: SaleFixture

beforeEach(async () => {
  fixture = await openSaleFixture()
})

afterEach(async () => {
  expect(await fixture.violated()).toEqual([])
  await fixture.close()
})

/** Formats outcomes as `held`, `held again`, or the refusal. */
function words(outcomes: readonly AddToCartOutcome[]): readonly string[] {
  return outcomes.map((outcome) => {
    if (outcome.kind === 'refused') return outcome.refusal
    return outcome.replayed ? 'held again' : 'held'
  })
}

const reservationId = (outcome: AddToCartOutcome | undefined): string | undefined =>
  outcome?.kind === 'held' ? outcome.reservation.id : undefined

describe('stock', () => {
  it('is never oversold, within a batch and across batches and connections', async () => {
    const offer = await fixture.sale({ stock: 7 })
    const users = await fixture.users(30)
    const batch = (from: number) =>
      fixture.reserve(...users.slice(from, from + 10).map((user) => fixture.wish(user, offer)))
    const outcomes = (await Promise.all([batch(0), batch(10), batch(20)])).flat()
    expect(words(outcomes).filter((word) => word === 'held')).toHaveLength(7)
    expect(words(outcomes).filter((word) => word === 'sold_out')).toHaveLength(23)
    expect(await fixture.stock(offer)).toBe('0/7/0')
  })

  it('goes to those who came first, with one outcome each in their order', async () => {
    const offer = await fixture.sale({ stock: 2 })
    const [a = 0, b = 0, c = 0] = await fixture.users(3)
    const wishes = [c, a, b].map((user) => fixture.wish(user, offer))
    const outcomes = await fixture.reserve(...wishes)
    expect(words(outcomes)).toEqual(['held', 'held', 'sold_out'])
    expect(outcomes.slice(0, 2).map(reservationId)).toEqual(
      wishes.slice(0, 2).map(({ requestId }) => requestId),
    )
  })

  it('too small for a large wish still goes to a smaller one behind it', async () => {
    const offer = await fixture.sale({ stock: 3 })
    const users = await fixture.users(4)
    const wishes = [5, 4, 2, 2].map((quantity, index) =>
      fixture.wish(users[index] ?? 0, offer, { quantity }),
    )
    expect(words(await fixture.reserve(...wishes))).toEqual([
      'sold_out',
      'sold_out',
      'held',
      'sold_out',
    ])
    expect(await fixture.stock(offer)).toBe('1/2/0')
  })

  it('of several products is taken in one batch, each outcome in its place', async () => {
    const first = await fixture.sale({ stock: 1 })
    const second = await fixture.product(first.flashSaleId, { stock: 2 })
    const users = await fixture.users(4)
    const offers = [second, first, second, first]
    const outcomes = await fixture.reserve(
      ...offers.map((offer, index) => fixture.wish(users[index] ?? 0, offer)),
    )
    expect(words(outcomes)).toEqual(['held', 'held', 'held', 'sold_out'])
    expect(
      outcomes.map((each) => (each.kind === 'held' ? each.reservation.productId : undefined)),
    ).toEqual([second.productId, first.productId, second.productId, undefined])
  })

  it('left is told for many products at once', async () => {
    const first = await fixture.sale({ stock: 1 })
    const second = await fixture.product(first.flashSaleId, { stock: 2 })
    const third = await fixture.product(first.flashSaleId, { stock: 0 })
    const ids = [first, second, third].map(({ productId }) => productId)
    expect(await fixture.read(readAvailable(ids))).toEqual([
      { productId: first.productId, available: 1 },
      { productId: second.productId, available: 2 },
      { productId: third.productId, available: 0 },
    ])
  })
})

describe('the purchase limit', () => {
  let offer: Offer
  let user: number

  beforeEach(async () => {
    offer = await fixture.sale({ stock: 100, purchaseLimit: 3 })
    user = await fixture.user()
  })

  const take = (quantity: number) => fixture.reserve(fixture.wish(user, offer, { quantity }))

  it('counts quantities across the wishes of one batch', async () => {
    const wishes = [2, 2, 1, 1].map((quantity) => fixture.wish(user, offer, { quantity }))
    expect(words(await fixture.reserve(...wishes))).toEqual([
      'held',
      'purchase_limit_reached',
      'held',
      'purchase_limit_reached',
    ])
    expect(await fixture.stock(offer)).toBe('97/3/0')
  })

  it('counts quantities across batches', async () => {
    expect(words(await take(2))).toEqual(['held'])
    expect(words(await take(2))).toEqual(['purchase_limit_reached'])
    expect(words(await take(1))).toEqual(['held'])
    expect(words(await take(1))).toEqual(['purchase_limit_reached'])
  })

  it('refuses a wish larger than itself', async () => {
    expect(words(await take(4))).toEqual(['purchase_limit_reached'])
    expect(await fixture.stock(offer)).toBe('100/0/0')
  })

  it('counts what was bought and what waits to be paid', async () => {
    await fixture.paid(user, offer, 2)
    await fixture.invoice(user, offer, 1)
    expect(words(await take(1))).toEqual(['purchase_limit_reached'])
  })

  it('is each shopper’s own, and each product’s', async () => {
    await take(3)
    const other = await fixture.product(offer.flashSaleId, { purchaseLimit: 1 })
    const outcomes = await fixture.reserve(
      fixture.wish(await fixture.user(), offer, { quantity: 3 }),
      fixture.wish(user, other),
    )
    expect(words(outcomes)).toEqual(['held', 'held'])
  })
})

describe('the same key again', () => {
  let offer: Offer
  let user: number

  beforeEach(async () => {
    offer = await fixture.sale({ stock: 1 })
    user = await fixture.user()
  })

  it('gives the same reservation and takes nothing', async () => {
    const first = fixture.wish(user, offer, { idempotencyKey: 'k' })
    const [told] = await fixture.reserve(first)
    const [again] = await fixture.reserve(fixture.wish(user, offer, { idempotencyKey: 'k' }))
    expect(again).toEqual({ ...told, replayed: true })
    expect(await fixture.stock(offer)).toBe('0/1/0')
  })

  it('gives it also within one batch', async () => {
    const first = fixture.wish(user, offer, { idempotencyKey: 'k' })
    const second = fixture.wish(user, offer, { idempotencyKey: 'k' })
    const outcomes = await fixture.reserve(first, second, first)
    expect(words(outcomes)).toEqual(['held', 'held again', 'held again'])
    expect(new Set(outcomes.map(reservationId))).toEqual(new Set([first.requestId]))
  })

  it('gives it as it was told, also when the hold is over', async () => {
    const wish = fixture.wish(user, offer, { idempotencyKey: 'k' })
    const [told] = await fixture.reserve(wish)
    await fixture.checkOut(user)
    expect(await fixture.reserve(wish)).toEqual([{ ...told, replayed: true }])
    const fresh = fixture.wish(user, offer)
    const recorded = await fixture.read(findRecordedHolds([fresh, wish]))
    expect(recorded).toEqual([undefined, { ...told, replayed: true }])
  })

  it.each([
    ['quantity', { quantity: 2 }],
    ['product', { productId: 999 }],
    ['sale', { flashSaleId: 999 }],
  ])('for another %s is refused, in the next batch and in the same', async (_, changes) => {
    const wish = fixture.wish(user, offer, { idempotencyKey: 'k' })
    const other = fixture.wish(user, offer, { idempotencyKey: 'k', ...changes })
    expect(words(await fixture.reserve(wish))).toEqual(['held'])
    expect(words(await fixture.reserve(other))).toEqual(['idempotency_key_reused'])
    const [recorded] = await fixture.read(findRecordedHolds([other]))
    expect(recorded).toMatchObject({ refusal: 'idempotency_key_reused' })
  })

  it('for another quantity in the same batch is refused', async () => {
    const wish = fixture.wish(user, offer, { idempotencyKey: 'k' })
    const other = fixture.wish(user, offer, { idempotencyKey: 'k', quantity: 2 })
    expect(words(await fixture.reserve(wish, other))).toEqual(['held', 'idempotency_key_reused'])
  })

  it('of somebody else is another key', async () => {
    await fixture.reserve(fixture.wish(user, offer, { idempotencyKey: 'k' }))
    const stranger = fixture.wish(await fixture.user(), offer, { idempotencyKey: 'k' })
    expect(words(await fixture.reserve(stranger))).toEqual(['sold_out'])
    const both = [user, stranger.userId].map((each) =>
      fixture.wish(each, offer, { idempotencyKey: 'k' }),
    )
    expect(words(await fixture.reserve(...both))).toEqual(['held again', 'sold_out'])
  })

  it('after a refusal is a new try', async () => {
    const rival = await fixture.user()
    await fixture.hold(rival, offer)
    const retry = () => fixture.reserve(fixture.wish(user, offer, { idempotencyKey: 'k' }))
    expect(words(await retry())).toEqual(['sold_out'])
    const more = await fixture.sale({ stock: 1 })
    const wish = fixture.wish(user, more, { idempotencyKey: 'k' })
    expect(words(await fixture.reserve(wish))).toEqual(['held'])
  })
})

describe('who and what is refused', () => {
  it('a user nobody knows', async () => {
    const offer = await fixture.sale()
    expect(words(await fixture.reserve(fixture.wish(12_345, offer)))).toEqual(['unknown_user'])
  })

  it('a message of somebody who had this number before a restore: it takes and repeats nothing', async () => {
    const offer = await fixture.sale()
    const user = await fixture.user()
    const mine = fixture.wish(user, offer, { idempotencyKey: 'k' })
    expect(words(await fixture.reserve(mine))).toEqual(['held'])
    const before = { userUid: nobodysUid }
    const theirs = [
      fixture.wish(user, offer, before),
      fixture.wish(user, offer, { idempotencyKey: 'k', ...before }),
    ]
    expect(words(await fixture.reserve(...theirs))).toEqual(['unknown_user', 'unknown_user'])
    expect(await fixture.stock(offer)).toBe('9/1/0')
  })

  it('a product that is not in the sale, and a sale nobody knows', async () => {
    const offer = await fixture.sale()
    const other = await fixture.sale()
    const user = await fixture.user()
    const outcomes = await fixture.reserve(
      fixture.wish(user, { ...offer, productId: other.productId }),
      fixture.wish(user, { ...offer, flashSaleId: 999 }),
    )
    expect(words(outcomes)).toEqual(['product_not_in_sale', 'product_not_in_sale'])
  })

  it('a sale begins at startsAt and ends before endsAt, to the millisecond', async () => {
    const offer = await fixture.sale({ startsIn: 1, endsIn: 3 })
    const user = await fixture.user()
    const words_: string[] = []
    for (let ms = 0; ms <= 3; ms += 1) {
      words_.push(...words(await fixture.reserve(fixture.wish(user, offer))))
      fixture.clock.advance(1)
    }
    expect(words_).toEqual(['sale_not_open', 'held', 'held', 'sale_not_open'])
  })

  it.each(['paused', 'cancelled'] as const)('a sale that is %s', async (state) => {
    const offer = await fixture.sale()
    await fixture.run(changeFlashSaleState(offer.flashSaleId, state, fixture.clock.now()))
    const user = await fixture.user()
    expect(words(await fixture.reserve(fixture.wish(user, offer)))).toEqual(['sale_not_open'])
  })

  it('a second currency in one cart, within a batch and across batches', async () => {
    const euros = await fixture.sale({ currency: 'EUR' })
    const dollars = await fixture.sale({ currency: 'USD' })
    const [a = 0, b = 0] = await fixture.users(2)
    await fixture.hold(a, euros)
    const outcomes = await fixture.reserve(
      fixture.wish(a, dollars),
      fixture.wish(b, euros),
      fixture.wish(b, dollars),
      fixture.wish(b, euros),
    )
    expect(words(outcomes)).toEqual(['currency_mismatch', 'held', 'currency_mismatch', 'held'])
  })

  it('the line after the hundredth, within a batch and across batches', async () => {
    const offer = await fixture.sale({ stock: 200 })
    const user = await fixture.user()
    const wishes = Array.from({ length: 101 }, () => fixture.wish(user, offer))
    const outcomes = words(await fixture.reserve(...wishes))
    expect(outcomes.slice(99)).toEqual(['held', 'cart_full'])
    expect(words(await fixture.reserve(fixture.wish(user, offer)))).toEqual(['cart_full'])
    expect(await fixture.stock(offer)).toBe('100/100/0')
  })
})

describe('the deadline', () => {
  it('is the sale’s hold time from now', async () => {
    const offer = await fixture.sale({ holdSeconds: 90 })
    const { expiresAt } = await fixture.hold(await fixture.user(), offer)
    expect(expiresAt).toBe(fixture.clock.now() + 90_000)
  })

  it('of an earlier hold stays where it is when more is added, or the same again', async () => {
    const offer = await fixture.sale()
    const user = await fixture.user()
    const wish = fixture.wish(user, offer)
    const [first] = await fixture.reserve(wish)
    fixture.clock.advance(10_000)
    await fixture.hold(user, offer, 2)
    expect(await fixture.reserve(wish)).toEqual([{ ...first, replayed: true }])
    const deadlines = await fixture.rows<{ expires_at: number }>(
      'select expires_at from reservations order by id',
    )
    const now = fixture.clock.now()
    expect(deadlines.map((each) => each.expires_at - now)).toEqual([290_000, 300_000])
  })

  it('and price are those of the moment; all holds of a shopper share one cart', async () => {
    const offer = await fixture.sale({ priceMinor: 4_999 })
    const user = await fixture.user()
    expect(await fixture.hold(user, offer)).toMatchObject({
      unitPriceMinor: 4_999,
      currency: 'EUR',
      status: 'held',
    })
    await fixture.hold(user, offer)
    expect(await fixture.rows('select id from carts')).toHaveLength(1)
  })
})
