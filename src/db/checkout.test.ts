import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openSaleFixture, type Offer, type SaleFixture } from '../../test/support/sale-fixture.ts'
import { readCart } from './carts.ts'
import { checkOut, type CheckOut } from './checkout.ts'
import { run } from './database.ts'
import { expireCartHolds, expireInvoices } from './expiry.ts'

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

  it('gives the holds one more hold time from now, the longest of the sales concerned', async () => {
    const quick = await fixture.sale({ holdSeconds: 60 })
    await fixture.hold(user, quick)
    await fixture.hold(user, offer)
    fixture.clock.advance(30_000)
    const { dueAt } = await fixture.checkOut(user)
    expect(dueAt).toBe(now() + 300_000)
    fixture.clock.advance(299_999)
    expect(await fixture.run(expireInvoices(now(), 10))).toMatchObject({ ended: 0 })
    expect(await fixture.stock(quick)).toBe('9/1/0')
  })

  it('is never due before a deadline that was promised, though the hold time was shortened', async () => {
    const { expiresAt } = await fixture.hold(user, offer)
    await fixture.run(run('update flash_sales set hold_seconds = 10'))
    fixture.clock.advance(1_000)
    const { dueAt } = await fixture.checkOut(user)
    expect(dueAt).toBe(expiresAt)
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

  describe('with what the shopper confirms', () => {
    it('makes an invoice of exactly that, in whatever order the ids come', async () => {
      const { id: first } = await fixture.hold(user, offer, 2)
      const { id: second } = await fixture.hold(user, offer)
      const confirmation = { reservationIds: [second, first], expectedTotalMinor: 750 }
      const result = await fixture.run(checkOut(order({ confirmation })))
      expect(result).toMatchObject({ kind: 'created', invoice: { totalMinor: 750 } })
    })

    it.each([
      ['an item is gone', (ids: readonly string[]) => ({ reservationIds: [...ids, 'gone'] })],
      ['there is another item', ([id = '']) => ({ reservationIds: [id] })],
      ['nothing was expected', () => ({ reservationIds: [] })],
      ['the total is another', () => ({ expectedTotalMinor: 751 })],
      [
        'the items are right and the total is another',
        (ids: readonly string[]) => ({ reservationIds: ids, expectedTotalMinor: 749 }),
      ],
    ])('does nothing when %s, and says what is in the cart', async (_, confirm) => {
      const holds = [await fixture.hold(user, offer, 2), await fixture.hold(user, offer)]
      const confirmation = confirm(holds.map(({ id }) => id))
      const result = await fixture.run(checkOut(order({ confirmation })))
      expect(result).toEqual({ kind: 'cart_changed', cart: holds })
      expect(await fixture.rows('select id from invoices')).toEqual([])
      expect(await cart()).toEqual(holds)
      const corrected = { reservationIds: holds.map(({ id }) => id), expectedTotalMinor: 750 }
      const again = await fixture.run(checkOut(order({ confirmation: corrected })))
      expect(again).toMatchObject({ kind: 'created' })
    })

    it('does not drop what expired a moment ago', async () => {
      const { id: expired } = await fixture.hold(user, offer)
      fixture.clock.advance(1_000)
      const live = await fixture.hold(user, offer)
      fixture.clock.advance(299_000)
      const confirmation = { reservationIds: [expired, live.id] }
      const result = await fixture.run(checkOut(order({ confirmation })))
      expect(result).toEqual({ kind: 'cart_changed', cart: [live] })
    })

    it('says that the cart changed, not that it is empty, when all of it has gone', async () => {
      const { id } = await fixture.hold(user, offer)
      fixture.clock.advance(300_000)
      const result = await fixture.run(checkOut(order({ confirmation: { reservationIds: [id] } })))
      expect(result).toEqual({ kind: 'cart_changed', cart: [] })
      const nothing = { reservationIds: [], expectedTotalMinor: 0 }
      const empty = await fixture.run(checkOut(order({ confirmation: nothing })))
      expect(empty).toEqual({ kind: 'cart_empty' })
    })

    it('is remembered with the key, also over another connection', async () => {
      const { id } = await fixture.hold(user, offer)
      const confirmation = { reservationIds: [id], expectedTotalMinor: 250 }
      const first = await fixture.run(checkOut(order({ confirmation })))
      const other = fixture.openAgain()
      const repeat = (changed: CheckOut['confirmation']) => {
        const again = changed === undefined ? order() : order({ confirmation: changed })
        return other.transaction(() => checkOut(again))
      }
      expect(await repeat(confirmation)).toEqual({ ...first, kind: 'replayed' })
      expect(await repeat({ ...confirmation, reservationIds: [id, id] })).toMatchObject({
        kind: 'replayed',
      })
      for (const changed of [undefined, { reservationIds: [id] }, { expectedTotalMinor: 250 }]) {
        expect(await repeat(changed)).toEqual({ kind: 'key_reused' })
      }
    })

    it('refuses a confirmation with the key of a checkout that had none', async () => {
      await checkOutNew()
      const confirmation = { expectedTotalMinor: 250 }
      expect(await fixture.run(checkOut(order({ confirmation })))).toEqual({ kind: 'key_reused' })
      expect(await fixture.run(checkOut(order({ confirmation: {} })))).toMatchObject({
        kind: 'replayed',
      })
    })
  })

  it('racing the sweep, makes an invoice of what it finds or is told what is left', async () => {
    const other = fixture.openAgain()
    const users = await fixture.users(20)
    const large = await fixture.sale({ stock: 100, endsIn: 86_400_000 })
    const kinds = new Set<string>()
    for (const [index, each] of users.entries()) {
      const early = await fixture.hold(each, large)
      fixture.clock.advance(1)
      const { id } = await fixture.hold(each, large)
      fixture.clock.advance(299_998 + (index % 2))
      const confirmation = { reservationIds: [early.id, id] }
      const at = now()
      const checkout = order({ userId: each, confirmation })
      const [result] = await Promise.all([
        fixture.run(checkOut(checkout)),
        other.transaction(() => expireCartHolds(at, 10)),
      ])
      kinds.add(result.kind)
      const held = result.kind === 'created' ? 2 : 1
      const counted = `select count(*) as held from reservations where user_id = ? and status = 'held'`
      expect(await fixture.rows(counted, each)).toEqual([{ held }])
    }
    expect([...kinds].sort()).toEqual(['cart_changed', 'created'])
  })

  async function checkOutNew() {
    await fixture.hold(user, offer)
    return fixture.run(checkOut(order()))
  }
})
