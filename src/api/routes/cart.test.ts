import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { addToCart } from '../../../test/support/buyers.ts'
import { expectProblem } from '../../../test/support/expect-problem.ts'
import { expectAuditClean, readStock } from '../../../test/support/expectations.ts'
import {
  createSale,
  createShopper,
  type TestSale,
  type TestShopper,
} from '../../../test/support/sale.ts'
import { checkOut, hold, invoiceIdOf, pay } from '../../../test/support/shopping.ts'
import { startApp, testAdminToken, type TestApp } from '../../../test/support/start-app.ts'
import { until } from '../../../test/support/until.ts'

const unknownId = '0197a1b2-0000-7000-8000-000000000001'

let app: TestApp
let sale: TestSale
let shopper: TestShopper

beforeAll(async () => {
  app = await startApp()
  sale = await createSale(app.call, { stock: 1_000 })
  shopper = await createShopper(app.call)
})
afterAll(async () => {
  await expectAuditClean(app.call)
  await app.stop()
})

const showCart = async ({ token }: TestShopper) => app.call('GET', '/v1/cart', { token })
const remove = async ({ token }: TestShopper, reservationId: string) =>
  app.call('DELETE', `/v1/cart/items/${reservationId}`, { token })
const clear = async ({ token }: TestShopper) => app.call('DELETE', '/v1/cart', { token })

describe('the cart', () => {
  it('is empty at first', async () => {
    const buyer = await createShopper(app.call)
    const { status, body } = await showCart(buyer)
    const empty = { items: [], totalMinor: 0, currency: null, expiresAt: null }
    expect([status, body]).toEqual([200, empty])
  })

  it('shows what is held, its total and when the first item goes', async () => {
    const buyer = await createShopper(app.call)
    const first = await hold(app.call, sale, buyer, 2)
    const second = await hold(app.call, sale, buyer)
    const { body } = await showCart(buyer)
    const cart = body as unknown as {
      items: { id: string; expiresAt: string; status: string }[]
      expiresAt: string
    }
    expect(cart).toMatchObject({ totalMinor: 3 * 4_999, currency: 'EUR' })
    expect(cart.items.map(({ id, status }) => [id, status])).toEqual([
      [first, 'held'],
      [second, 'held'],
    ])
    expect(cart.expiresAt).toBe(cart.items[0]?.expiresAt)
  })

  it('adding again never moves the deadline of what is there', async () => {
    const buyer = await createShopper(app.call)
    const answer = await addToCart(app.call, sale, buyer)
    const { reservation } = answer.body as unknown as { reservation: unknown }
    await hold(app.call, sale, buyer)
    const { items } = (await showCart(buyer)).body as unknown as { items: unknown[] }
    expect(items[0]).toEqual(reservation)
  })

  it('gives one item back, which others can buy then', async () => {
    const scarce = await createSale(app.call, { stock: 1 })
    const reservationId = await hold(app.call, scarce, shopper)
    const rival = await createShopper(app.call)
    expectProblem(await addToCart(app.call, scarce, rival), 409, 'sold_out')
    const removed = await remove(shopper, reservationId)
    expect([removed.status, removed.text]).toEqual([204, ''])
    const held = async () => (await addToCart(app.call, scarce, rival)).status === 201
    await until(held, 1_500, 'the unit')
    expect(await readStock(app.call, scarce.productId)).toMatchObject({ available: 0, held: 1 })
  })

  it('is sold again within 1.5 s although nobody is told of the release', async () => {
    const scarce = await createSale(app.call, { stock: 1 })
    const reservationId = await hold(app.call, scarce, shopper)
    const rival = await createShopper(app.call)
    // This second node has its own broker, so its stock_released never reaches the first node.
    const elsewhere = await startApp({ environment: { DATABASE_PATH: app.databasePath } })
    try {
      expectProblem(await addToCart(app.call, scarce, rival), 409, 'sold_out')
      const { token } = shopper
      await elsewhere.call('DELETE', `/v1/cart/items/${reservationId}`, { token })
      const held = async () => (await addToCart(app.call, scarce, rival)).status === 201
      await until(held, 1_500, 'the unit', 25)
    } finally {
      await elsewhere.stop()
    }
  })

  it('gives an item back once', async () => {
    const before = await readStock(app.call, sale.productId)
    const reservationId = await hold(app.call, sale, shopper, 3)
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => remove(shopper, reservationId)),
    )
    expect(answers.filter(({ status }) => status === 204)).toHaveLength(1)
    for (const answer of answers.filter(({ status }) => status !== 204)) {
      expectProblem(answer, 404, 'not_found')
    }
    expect(await readStock(app.call, sale.productId)).toEqual(before)
  })

  it('gives everything back, and nothing is fine too', async () => {
    const buyer = await createShopper(app.call)
    const before = await readStock(app.call, sale.productId)
    await hold(app.call, sale, buyer, 2)
    await hold(app.call, sale, buyer, 3)
    expect((await clear(buyer)).status).toBe(204)
    expect((await clear(buyer)).status).toBe(204)
    expect((await showCart(buyer)).body).toMatchObject({ items: [], totalMinor: 0 })
    expect(await readStock(app.call, sale.productId)).toEqual(before)
  })

  it('does not give back what is on an invoice', async () => {
    const buyer = await createShopper(app.call)
    const reservationId = await hold(app.call, sale, buyer)
    await checkOut(app.call, buyer)
    expectProblem(await remove(buyer, reservationId), 404, 'not_found')
    expect((await clear(buyer)).status).toBe(204)
    expect((await showCart(buyer)).body).toMatchObject({ items: [] })
  })

  it('does not know items that are not there', async () => {
    expectProblem(await remove(shopper, unknownId), 404, 'not_found')
    expectProblem(await remove(shopper, '1'), 400, 'validation_failed')
  })

  it('takes no more than a hundred items', async () => {
    const buyer = await createShopper(app.call)
    const wishes = Array.from({ length: 105 }, () => addToCart(app.call, sale, buyer))
    const answers = await Promise.all(wishes)
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(100)
    const refused = answers.find(({ status }) => status !== 201)!
    expectProblem(refused, 409, 'cart_full')
    await clear(buyer)
  })
})

describe('checkout', () => {
  it('makes an invoice of all that is in the cart', async () => {
    const buyer = await createShopper(app.call)
    const reservationIds = [await hold(app.call, sale, buyer, 2), await hold(app.call, sale, buyer)]
    const answer = await checkOut(app.call, buyer)
    expect(answer.status).toBe(201)
    expect(answer.headers.get('idempotency-key')).toMatch(/^[0-9a-f-]{36}$/)
    const { invoice } = answer.body as unknown as { invoice: Record<string, unknown> }
    const line = { productId: sale.productId, name: 'Wireless Earbuds', unitPriceMinor: 4_999 }
    expect(invoice).toEqual({
      id: expect.any(String) as string,
      userId: buyer.id,
      status: 'unpaid',
      lines: [
        { ...line, reservationId: reservationIds[0], quantity: 2, lineTotalMinor: 9_998 },
        { ...line, reservationId: reservationIds[1], quantity: 1, lineTotalMinor: 4_999 },
      ],
      totalMinor: 14_997,
      currency: 'EUR',
      dueAt: expect.any(String) as string,
      createdAt: expect.any(String) as string,
    })
    const openMs = Date.parse(String(invoice['dueAt'])) - Date.parse(String(invoice['createdAt']))
    expect(openMs).toBe(300_000)
    expect((await showCart(buyer)).body).toMatchObject({ items: [] })
  })

  it('refuses an empty cart, and the same key is a new try', async () => {
    const buyer = await createShopper(app.call)
    const refused = await checkOut(app.call, buyer, 'too-early')
    expectProblem(refused, 409, 'cart_empty')
    expect(refused.headers.get('idempotency-key')).toBe('too-early')
    await hold(app.call, sale, buyer)
    const answer = await checkOut(app.call, buyer, 'too-early')
    expect([answer.status, answer.headers.get('idempotency-replayed')]).toEqual([201, null])
  })

  it('repeats its answer byte by byte for the same key, whatever became of the invoice', async () => {
    const buyer = await createShopper(app.call)
    await hold(app.call, sale, buyer)
    const first = await checkOut(app.call, buyer, 'checkout')
    const repeated = async () => {
      const again = await checkOut(app.call, buyer, 'checkout')
      expect([again.status, again.text]).toEqual([201, first.text])
      expect(again.headers.get('idempotency-replayed')).toBe('true')
    }
    await repeated()
    await pay(app.call, buyer, invoiceIdOf(first), { method: 'pm_declined' })
    await repeated()
    await pay(app.call, buyer, invoiceIdOf(first))
    await repeated()
    await hold(app.call, sale, buyer)
    await repeated()
  })

  it.each([
    ['different keys', (index: number) => `key-${index}`],
    ['one key', () => 'one-key'],
    ['no keys', () => undefined],
  ])('makes one invoice of fifty at once with %s', async (_title, key) => {
    const buyer = await createShopper(app.call)
    await hold(app.call, sale, buyer)
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, index) => checkOut(app.call, buyer, key(index))),
    )
    const made = answers.filter(({ status }) => status === 201)
    expect(new Set(made.map(invoiceIdOf)).size).toBe(1)
    for (const answer of answers)
      if (answer.status !== 201) expectProblem(answer, 409, 'cart_empty')
    expect(made).toHaveLength(key(1) === 'one-key' ? 50 : 1)
    const { token } = buyer
    const { items } = (await app.call('GET', '/v1/invoices', { token })).body as { items: never }
    expect(items).toHaveLength(1)
  })

  it('begins a new cart afterwards, with a deadline of its own', async () => {
    const buyer = await createShopper(app.call)
    await hold(app.call, sale, buyer)
    const first = invoiceIdOf(await checkOut(app.call, buyer))
    await hold(app.call, sale, buyer)
    expect(invoiceIdOf(await checkOut(app.call, buyer))).not.toBe(first)
  })

  it('keeps the price of the moment the unit was held', async () => {
    const token = testAdminToken
    const { flashSaleId } = await createSale(app.call)
    const product = { name: 'Lamp', priceMinor: 900, currency: 'EUR', stock: 5 }
    const made = await app.call('POST', '/v1/admin/products', { token, body: product })
    const body = { productId: made.body['id'], salePriceMinor: 500 }
    await app.call('POST', `/v1/admin/flash-sales/${flashSaleId}/products`, { token, body })
    const buyer = await createShopper(app.call)
    await hold(app.call, { flashSaleId, productId: Number(made.body['id']) }, buyer, 2)
    const answer = await checkOut(app.call, buyer)
    expect(answer.body['invoice']).toMatchObject({ totalMinor: 1_000 })
  })

  it('takes no body but what confirms the cart', async () => {
    const { token } = shopper
    const bodies = [
      { coupon: 'X' },
      { reservationIds: ['1'] },
      { reservationIds: Array.from({ length: 101 }, () => unknownId) },
      { expectedTotalMinor: -1 },
      { expectedTotalMinor: 1.5 },
      { expectedTotalMinor: 2 ** 53 },
      { expectedTotalMinor: null },
    ]
    for (const body of bodies) {
      const answer = await app.call('POST', '/v1/checkout', { token, body })
      expectProblem(answer, 400, 'validation_failed')
    }
    const empty = await app.call('POST', '/v1/checkout', { token, body: {} })
    expectProblem(empty, 409, 'cart_empty')
  })

  it('does nothing when the cart is not the confirmed one, and the same key is a new try', async () => {
    const buyer = await createShopper(app.call)
    const { token } = buyer
    const reservationId = await hold(app.call, sale, buyer, 2)
    const headers = { 'idempotency-key': 'confirmed' }
    const confirm = (body: object) => app.call('POST', '/v1/checkout', { token, headers, body })
    const cart = (await app.call('GET', '/v1/cart', { token })).body
    for (const body of [{ reservationIds: [unknownId] }, { expectedTotalMinor: 1 }]) {
      const changed = await confirm(body)
      expectProblem(changed, 409, 'cart_changed')
      expect(changed.body['cart']).toEqual(cart)
      expect(changed.headers.get('idempotency-key')).toBe('confirmed')
    }
    const right = { reservationIds: [reservationId.toUpperCase()], expectedTotalMinor: 2 * 4_999 }
    const made = await confirm(right)
    expect([made.status, made.headers.get('idempotency-replayed')]).toEqual([201, null])
    const again = await confirm(right)
    expect([again.status, again.text]).toEqual([201, made.text])
    expect(again.headers.get('idempotency-replayed')).toBe('true')
    for (const body of [{}, { expectedTotalMinor: 2 * 4_999 }]) {
      expectProblem(await confirm(body), 422, 'idempotency_key_reused')
    }
  })
})
