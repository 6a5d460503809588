import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openSaleFixture, type Offer, type SaleFixture } from '../../test/support/sale-fixture.ts'
import { readCart } from './carts.ts'
import { checkOut, type CheckOut } from './checkout.ts'
import { run } from './database.ts'

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
const order = (changes: Partial<CheckOut> = {}): CheckOut => ({
  userId: user,
  idempotencyKey: 'k',
  invoiceId: fixture.newId(),
  now: now(),
  ...changes,
})

describe('checking out', () => {
  it('makes an invoice of the live holds with the prices of the hold', async () => {
    const first = await fixture.hold(user, offer, 2)
    const second = await fixture.hold(user, offer)
    await fixture.run(run('update flash_sale_details set price_minor = 9999'))
    const result = await fixture.run(checkOut(order()))
    expect(result).toMatchObject({
      kind: 'created',
      invoice: {
        userId: user,
        status: 'unpaid',
        totalMinor: 750,
        currency: 'EUR',
        createdAt: now(),
        paidAt: null,
        lines: [
          { reservationId: first.id, quantity: 2, unitPriceMinor: 250, lineTotalMinor: 500 },
          { reservationId: second.id, quantity: 1, unitPriceMinor: 250, lineTotalMinor: 250 },
        ],
      },
    })
    expect(await fixture.stock(offer)).toBe('7/3/0')
  })

  it('gives the holds one more hold time from now, the shortest of the sales concerned', async () => {
    const quick = await fixture.sale({ holdSeconds: 60 })
    await fixture.hold(user, offer)
    await fixture.hold(user, quick)
    fixture.clock.advance(30_000)
    const { dueAt } = await fixture.checkOut(user)
    expect(dueAt).toBe(now() + 60_000)
  })

  it('leaves expired holds out, whether or not they were swept', async () => {
    await fixture.hold(user, offer)
    fixture.clock.advance(100_000)
    const live = await fixture.hold(user, offer, 2)
    fixture.clock.advance(200_000)
    const { lines, totalMinor } = await fixture.checkOut(user)
    expect(lines.map(({ reservationId }) => reservationId)).toEqual([live.id])
    expect(totalMinor).toBe(500)
  })

  it.each([
    ['nothing was ever put in', () => Promise.resolve()],
    [
      'every hold has expired',
      async () => {
        await fixture.hold(user, offer)
        fixture.clock.advance(300_000)
      },
    ],
    [
      'somebody else has something',
      async () => {
        await fixture.hold(stranger, offer)
      },
    ],
  ])('is refused as empty when %s', async (_, prepare) => {
    await prepare()
    expect(await fixture.run(checkOut(order()))).toEqual({ kind: 'cart_empty' })
    expect(await fixture.rows('select id from invoices')).toEqual([])
  })

  it('with the same key gives the same invoice, also when there is a new cart', async () => {
    const invoice = await checkOutNew()
    await fixture.hold(user, offer)
    const again = await fixture.run(checkOut(order()))
    expect(again).toEqual({ ...invoice, kind: 'replayed' })
    expect(await cart()).toHaveLength(1)
  })

  it('with another key does not extend the holds once more', async () => {
    await checkOutNew()
    fixture.clock.advance(200_000)
    const again = await fixture.run(checkOut(order({ idempotencyKey: 'other' })))
    expect(again).toEqual({ kind: 'cart_empty' })
  })

  it('many times at once over two connections makes one invoice', async () => {
    await fixture.hold(user, offer)
    const other = fixture.openAgain()
    const results = await Promise.all(
      Array.from({ length: 50 }, (_, index) => {
        const database = index % 2 === 0 ? fixture.database : other
        const idempotencyKey = `key ${index % 5}`
        return database.transaction(() => checkOut(order({ idempotencyKey })))
      }),
    )
    const kinds = results.map(({ kind }) => kind)
    expect(kinds.filter((kind) => kind === 'created')).toHaveLength(1)
    expect(kinds.filter((kind) => kind === 'replayed')).toHaveLength(9)
    expect(kinds.filter((kind) => kind === 'cart_empty')).toHaveLength(40)
  })

  it('of somebody else with the same key is their own', async () => {
    await checkOutNew()
    await fixture.hold(stranger, offer)
    const theirs = await fixture.run(checkOut(order({ userId: stranger })))
    expect(theirs).toMatchObject({ kind: 'created', invoice: { userId: stranger } })
  })

  async function checkOutNew() {
    await fixture.hold(user, offer)
    return fixture.run(checkOut(order()))
  }
})
