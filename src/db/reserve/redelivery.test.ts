import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Refusal } from '../../domain/refusal.ts'
import type { AddToCartOutcome, ReserveRequest } from '../../domain/reservation.ts'
import { countStatements } from '../../../test/support/statement-counter.ts'
import {
  openSaleFixture,
  type Offer,
  type SaleFixture,
} from '../../../test/support/sale-fixture.ts'
import { clearCart } from '../carts.ts'
import { reserveBatch } from './reserve-batch.ts'

/** Tests `reserveBatch` with redelivered messages, and the number of statements of a batch. */
let fixture: SaleFixture
let offer: Offer
let user: number

beforeEach(async () => {
  fixture = await openSaleFixture()
  offer = await fixture.sale({ stock: 5 })
  user = await fixture.user()
})

afterEach(async () => {
  expect(await fixture.violated()).toEqual([])
  await fixture.close()
})

const tooLate: AddToCartOutcome = { kind: 'refused', refusal: 'too_late' }
const redelivered = (first: ReserveRequest, refusal: Refusal = 'too_late'): ReserveRequest => ({
  ...first,
  refuseUnlessRecorded: refusal,
})

describe('a message delivered again', () => {
  it('takes no stock, though there is some', async () => {
    const first = fixture.wish(user, offer)
    expect(await fixture.reserve(redelivered(first))).toEqual([tooLate])
    expect(await fixture.stock(offer)).toBe('5/0/0')
  })

  it('repeats the recorded hold', async () => {
    const first = fixture.wish(user, offer)
    const [told] = await fixture.reserve(first)
    expect(await fixture.reserve(redelivered(first))).toEqual([{ ...told, replayed: true }])
    expect(await fixture.stock(offer)).toBe('4/1/0')
  })

  it('is refused for good: the first delivery, decided later elsewhere, gets the same no', async () => {
    const first = fixture.wish(user, offer)
    await fixture.reserve(redelivered(first))
    const other = fixture.openAgain()
    const context = { now: fixture.clock.now(), newId: fixture.newId }
    const late = await other.transaction(() => reserveBatch([first], context))
    expect(late).toEqual([tooLate])
    expect(await fixture.stock(offer)).toBe('5/0/0')
  })

  it('in one batch with its first delivery behind it: both are refused', async () => {
    const first = fixture.wish(user, offer)
    expect(await fixture.reserve(redelivered(first), first)).toEqual([tooLate, tooLate])
    expect(await fixture.stock(offer)).toBe('5/0/0')
  })

  it('in one batch with its first delivery before it: both are told the one hold', async () => {
    const first = fixture.wish(user, offer)
    const [told, again] = await fixture.reserve(first, redelivered(first))
    expect(told).toMatchObject({ kind: 'held', replayed: false })
    expect(again).toEqual({ ...told, replayed: true })
    expect(await fixture.stock(offer)).toBe('4/1/0')
  })

  it('of a refused request does not give what was refused', async () => {
    const rival = await fixture.user()
    await fixture.hold(rival, offer, 5)
    const first = fixture.wish(user, offer)
    expect(await fixture.reserve(first)).toMatchObject([{ refusal: 'sold_out' }])
    await fixture.run(clearCart(rival, fixture.clock.now()))
    expect(await fixture.reserve(redelivered(first))).toEqual([tooLate])
    expect(await fixture.stock(offer)).toBe('5/0/0')
  })

  it('does not block a new try with the same key', async () => {
    const first = fixture.wish(user, offer, { idempotencyKey: 'k' })
    await fixture.reserve(redelivered(first))
    const retry = fixture.wish(user, offer, { idempotencyKey: 'k' })
    expect(await fixture.reserve(retry)).toMatchObject([{ kind: 'held', replayed: false }])
  })
})

describe('a request that came while the gate was closed', () => {
  it('repeats its recorded hold, or is refused without being remembered', async () => {
    const held = fixture.wish(user, offer)
    const [told] = await fixture.reserve(held)
    const other = fixture.wish(user, offer)
    expect(
      await fixture.reserve(redelivered(held, 'sold_out'), redelivered(other, 'sold_out')),
    ).toEqual([
      { ...told, replayed: true },
      { kind: 'refused', refusal: 'sold_out' },
    ])
    expect(await fixture.reserve(other)).toMatchObject([{ kind: 'held' }])
  })
})

describe('what a batch costs', () => {
  async function cost(wishes: readonly ReserveRequest[]): Promise<number> {
    const { database, texts } = countStatements(fixture.database)
    const context = { now: fixture.clock.now(), newId: fixture.newId }
    await database.transaction(() => reserveBatch(wishes, context))
    return texts.length
  }

  const wishesOf = (users: readonly number[], quantity = 1) =>
    users.map((each) => fixture.wish(each, offer, { quantity }))

  it('does not grow with the losers', async () => {
    await fixture.hold(user, offer, 5)
    // Statements: recorded outcomes (2), terms, shoppers, one guarded update that finds nothing.
    expect(await cost(wishesOf(await fixture.users(1)))).toBe(5)
    // Statements: one guarded update for all, and one for the first request.
    expect(await cost(wishesOf(await fixture.users(2)))).toBe(6)
    expect(await cost(wishesOf(await fixture.users(300)))).toBe(6)
  })

  it('grows with the winners, a little', async () => {
    const { flashSaleId } = offer
    const plenty = await fixture.product(flashSaleId, { stock: 1_000 })
    const costOf = async (count: number): Promise<number> =>
      cost((await fixture.users(count)).map((each) => fixture.wish(each, plenty)))
    // Statements: recorded outcomes (2), terms, shoppers, one guarded update; cart, reservation,
    // cart line, ledger row.
    expect(await costOf(2)).toBe(5 + 4)
    // 200 = 3 × 64 + 8 rows.
    expect(await costOf(200)).toBe(5 + 4 * 4)
  })

  it('takes for all at once and gives back what limits refuse, before anybody sees it', async () => {
    const limited = await fixture.product(offer.flashSaleId, { stock: 10, purchaseLimit: 1 })
    const [other = 0] = await fixture.users(1)
    const wishes = [user, user, other].map((each) => fixture.wish(each, limited))
    const outcomes = await fixture.reserve(...wishes)
    expect(outcomes.map((each) => each.kind)).toEqual(['held', 'refused', 'held'])
    expect(await fixture.stock(limited)).toBe('8/2/0')
  })

  it('asks for the shoppers of a closed sale not at all', async () => {
    fixture.clock.advance(7_200_000)
    expect(await cost(wishesOf(await fixture.users(100)))).toBe(3)
  })

  it('takes the products in the order of their ids, so that two batches cannot deadlock', async () => {
    const second = await fixture.product(offer.flashSaleId)
    const third = await fixture.product(offer.flashSaleId)
    const users = await fixture.users(4)
    const wishes = [third, offer, second, offer].map((each, index) =>
      fixture.wish(users[index] ?? 0, each),
    )
    const { database, statements } = countStatements(fixture.database)
    const context = { now: fixture.clock.now(), newId: fixture.newId }
    await database.transaction(() => reserveBatch(wishes, context))
    const taken = statements.filter(({ text }) => text.includes('update stock'))
    expect(taken.map(({ values }) => values[2])).toEqual([
      offer.productId,
      second.productId,
      third.productId,
    ])
  })
})
