import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { addToCart } from '../../../test/support/buyers.ts'
import { expectProblem } from '../../../test/support/expect-problem.ts'
import { expectAuditClean, readStock } from '../../../test/support/expectations.ts'
import type { Answer } from '../../../test/support/http.ts'
import { createSale, createShopper } from '../../../test/support/sale.ts'
import { invoiced, pay } from '../../../test/support/shopping.ts'
import { startApp, testAdminToken, type TestApp } from '../../../test/support/start-app.ts'
import { until } from '../../../test/support/until.ts'
import * as schemas from './schemas.ts'

let app: TestApp

beforeAll(async () => {
  app = await startApp()
})
afterAll(async () => {
  await expectAuditClean(app.call)
  await app.stop()
})

const token = testAdminToken
const send = (method: string, path: string, body?: unknown): Promise<Answer> =>
  app.call(method, path, { token, body })
const post = (path: string, body?: unknown) => send('POST', `/v1/admin${path}`, body)
const patch = (path: string, body: unknown) => send('PATCH', `/v1/admin${path}`, body)

const goodSale = { name: '12.12', startsAt: '2026-12-12T12:12:00Z', endsAt: '2026-12-12T13:00:00Z' }
const goodProduct = { name: 'Earbuds', priceMinor: 4_999, currency: 'EUR', stock: 10 }

/** Values no whole number of the API takes; bounds come on top. */
const noWholeNumbers = [1.5, '1', 'NaN', '', null, true, [], {}, 2 ** 53, -(2 ** 53)]
const badNames = [
  '',
  '   ',
  'x'.repeat(201),
  '\u0000',
  'a\u0000b',
  'a\nb',
  '\ud800',
  1,
  null,
  ['a'],
]

type Change = Readonly<Record<string, unknown>>

const each = (key: string, values: readonly unknown[]): Change[] =>
  values.map((value) => ({ [key]: value }))

describe('creating a flash sale', () => {
  it('answers the sale with its times in UTC', async () => {
    const body = { ...goodSale, name: '  12.12 ☃  ', startsAt: '2026-12-12T20:12:00.5+08:00' }
    const answer = await post('/flash-sales', body)
    expect(answer.status).toBe(201)
    expect(answer.body).toMatchObject({
      name: '12.12 ☃',
      startsAt: '2026-12-12T12:12:00.500Z',
      holdSeconds: 300,
      products: [],
      endsAt: '2026-12-12T13:00:00.000Z',
    })
    expect(schemas.flashSale.safeParse(answer.body).success).toBe(true)
    const location = answer.headers.get('location') ?? ''
    expect(location).toBe(`/v1/flash-sales/${Number(answer.body['id'])}`)
    expect((await app.call('GET', location)).body).toMatchObject({ id: answer.body['id'] })
  })

  it.each([1, 86_400])('takes a hold of %i seconds', async (holdSeconds) => {
    const answer = await post('/flash-sales', { ...goodSale, holdSeconds })
    expect(answer.body).toMatchObject({ holdSeconds })
  })

  it.each(['×', '𝄞'])(
    'takes a name of 200 characters such as %s, and not one more',
    async (each) => {
      const name = each.repeat(200)
      expect((await post('/flash-sales', { ...goodSale, name })).body).toMatchObject({ name })
      const longer = await post('/flash-sales', { ...goodSale, name: `${name}${each}` })
      expectProblem(longer, 400, 'validation_failed')
    },
  )

  it.each([
    ['2026-12-12t12:12:00z', '2026-12-12T12:12:00.000Z'],
    ['2026-12-12T12:12:00.123456789Z', '2026-12-12T12:12:00.123Z'],
    ['2026-12-12T12:12:00-00:00', '2026-12-12T12:12:00.000Z'],
    ['2024-02-29T23:59:59Z', '2024-02-29T23:59:59.000Z'],
    ['1970-01-01T00:00:00Z', '1970-01-01T00:00:00.000Z'],
  ])('takes the start %s as RFC 3339 reads it', async (startsAt, read) => {
    const answer = await post('/flash-sales', { ...goodSale, startsAt })
    expect(answer.body).toMatchObject({ startsAt: read })
  })

  const noInstants = [
    '',
    'now',
    '2026-12-12',
    '2026-12-12T12:12:00',
    '2026-02-30T00:00:00Z',
    '2025-02-29T00:00:00Z',
    '2026-12-12 12:12:00Z',
    '2026-12-12T12:12:00+24:00',
    '2026-12-12T12:12:00Z\n',
    '2026-12-12T12:12:00.Z',
    '٢٠٢٦-12-12T12:12:00Z',
    '12:12',
    '2026-12-12T24:00:00Z',
    '2026-12-12T12:12:60Z',
    '2100-01-01T00:00:00.001Z',
    '1969-12-31T23:59:59Z',
    '-000001-01-01T00:00:00Z',
    '+275760-09-13T00:00:00Z',
    1_796_040_000_000,
    null,
    true,
    {},
  ]
  const changes: Change[] = [
    ...each('name', badNames),
    ...each('startsAt', noInstants),
    ...each('endsAt', [...noInstants, goodSale.startsAt, '2026-12-12T14:12:00+02:00']),
    ...each('holdSeconds', [...noWholeNumbers, 0, -1, 86_401]),
    { endsAt: '2026-12-12T12:11:59.999Z' },
    { name: undefined },
    { startsAt: undefined },
    { state: 'open' },
  ]
  it.each(changes.map((change) => [JSON.stringify(change).slice(0, 60), change] as const))(
    'refuses %s',
    async (_title, change) => {
      const answer = await post('/flash-sales', { ...goodSale, ...change })
      expectProblem(answer, 400, 'validation_failed')
    },
  )
})

describe('creating a product', () => {
  it('answers the product, and its stock is all there', async () => {
    const answer = await post('/products', goodProduct)
    expect(answer.status).toBe(201)
    expect(answer.body).toMatchObject({ ...goodProduct, shopId: 1 })
    const stock = await readStock(app.call, Number(answer.body['id']))
    expect(stock).toMatchObject({ allotment: 10, available: 10, held: 0, sold: 0 })
  })

  it('takes the bounds themselves', async () => {
    for (const bounds of [
      { priceMinor: 0, stock: 0 },
      { priceMinor: 9e13, stock: 1e9, currency: 'IDR' },
    ]) {
      const answer = await post('/products', { ...goodProduct, ...bounds })
      expect(answer.body).toMatchObject(bounds)
    }
  })

  it('puts it into the shop it names, if there is one', async () => {
    const registered = await app.call('POST', '/v1/users', {
      body: { name: 'Ann', email: 'ann@example.com' },
    })
    expect(registered.status).toBe(201)
    const answer = await post('/products', { ...goodProduct, shopId: 2 })
    expect(answer.body).toMatchObject({ shopId: 2 })
    const shopId = 999_999
    expectProblem(await post('/products', { ...goodProduct, shopId }), 404, 'not_found')
  })

  const changes: Change[] = [
    ...each('name', badNames),
    ...each('priceMinor', [...noWholeNumbers, -1, 9e13 + 1]),
    ...each('stock', [...noWholeNumbers, -1, 1e9 + 1]),
    ...each('currency', ['', 'eur', 'EU', 'EURO', 'EU1', 'ZZZ', 'XXX', 'XTS', '€€€', 978, null]),
    ...each('shopId', [...noWholeNumbers, 0, -1]),
    { stock: undefined },
    { id: 7 },
  ]
  it.each(changes.map((change) => [JSON.stringify(change).slice(0, 60), change] as const))(
    'refuses %s',
    async (_title, change) => {
      const answer = await post('/products', { ...goodProduct, ...change })
      expectProblem(answer, 400, 'validation_failed')
    },
  )

  it('refuses numbers JSON can write and nobody can count', async () => {
    for (const number of ['1e400', '-1e400', '1e-400', '0.1', '1E99']) {
      const body = JSON.stringify(goodProduct).replace('4999', number)
      const status = (await post('/products', body)).status
      // 1e-400 is 0 by the time anybody sees it.
      expect([number, status]).toEqual([number, number === '1e-400' ? 201 : 400])
    }
  })
})

/** A sale that has not begun, and a product of 49.99 EUR that is not in it yet. */
async function saleToCome(): Promise<{ path: string; productId: number }> {
  const times = { startsAt: '2099-12-12T12:12:00Z', endsAt: '2099-12-12T13:00:00Z' }
  const sale = await post('/flash-sales', { ...goodSale, ...times })
  const product = await post('/products', goodProduct)
  const path = `/flash-sales/${Number(sale.body['id'])}/products`
  return { path, productId: Number(product.body['id']) }
}

describe('putting a product into a sale', () => {
  it('takes a price and a limit of its own, else the product’s price and none', async () => {
    const sale = await post('/flash-sales', goodSale)
    const path = `/flash-sales/${Number(sale.body['id'])}/products`
    const [one, other] = await Promise.all([1, 2].map(() => post('/products', goodProduct)))
    const special = { productId: one!.body['id'], salePriceMinor: 1, purchaseLimit: 2 }
    const added = await post(path, special)
    expect(added.status).toBe(201)
    expect(added.body).toMatchObject({ priceMinor: 1, purchaseLimit: 2, available: 10 })
    const plain = await post(path, { productId: other!.body['id'] })
    expect(plain.body).toMatchObject({ priceMinor: 4_999, purchaseLimit: null })
    expectProblem(await post(path, special), 409, 'product_already_in_sale')
  })

  it('refuses sales and products that are not there, or over, or elsewhere', async () => {
    const { flashSaleId, productId } = await createSale(app.call)
    const rival = await createSale(app.call)
    const path = `/flash-sales/${flashSaleId}/products`
    expectProblem(await post(path, { productId: 999_999 }), 404, 'not_found')
    expectProblem(await post('/flash-sales/999999/products', { productId }), 404, 'not_found')
    const elsewhere = await post(path, { productId: rival.productId })
    expectProblem(elsewhere, 409, 'product_in_another_sale')
    await post(`/flash-sales/${flashSaleId}/cancel`)
    expectProblem(await post(path, { productId }), 409, 'flash_sale_over')
    const past = { ...goodSale, startsAt: '2020-01-01T00:00:00Z', endsAt: '2020-01-02T00:00:00Z' }
    const ended = Number((await post('/flash-sales', past)).body['id'])
    expectProblem(
      await post(`/flash-sales/${ended}/products`, { productId }),
      409,
      'flash_sale_over',
    )
  })

  it('refuses a price above the list price, written out, unless it is meant', async () => {
    const { path, productId } = await saleToCome()
    const high = { productId, salePriceMinor: 5_000 }
    const refused = await post(path, high)
    expectProblem(refused, 409, 'price_above_list')
    expect(refused.body['detail']).toBe('50.00 EUR is above the list price of 49.99 EUR')
    const taken = await post(path, { ...high, allowAboveList: true })
    expect(taken).toMatchObject({ status: 201, body: { priceMinor: 5_000 } })
  })

  it('changes a product in a sale: the price before the start, the limit at any time', async () => {
    const { path, productId } = await saleToCome()
    await post(path, { productId, purchaseLimit: 2 })
    const one = `${path}/${productId}`
    const changed = await patch(one, { salePriceMinor: 4_000, purchaseLimit: null })
    expect(changed).toMatchObject({ status: 200, body: { priceMinor: 4_000, purchaseLimit: null } })
    expectProblem(await patch(one, { salePriceMinor: 5_000 }), 409, 'price_above_list')
    expectProblem(await patch(`${path}/999999`, { purchaseLimit: 1 }), 404, 'not_found')
    const running = await createSale(app.call)
    const there = `/flash-sales/${running.flashSaleId}/products/${running.productId}`
    expectProblem(await patch(there, { salePriceMinor: 1 }), 409, 'flash_sale_running')
    expect(await patch(there, { purchaseLimit: 3 })).toMatchObject({
      status: 200,
      body: { purchaseLimit: 3 },
    })
    await post(`/flash-sales/${running.flashSaleId}/cancel`)
    expectProblem(await patch(there, { purchaseLimit: 4 }), 409, 'flash_sale_over')
  })

  const changes: Change[] = [
    ...each('productId', [...noWholeNumbers, 0, -1, undefined]),
    ...each('salePriceMinor', [...noWholeNumbers, -1, 9e13 + 1]),
    ...each('purchaseLimit', [...noWholeNumbers, 0, -1, 1e6 + 1]),
    { priceMinor: 1 },
  ]
  it('refuses whatever is out of bounds', async () => {
    for (const change of changes) {
      const answer = await post('/flash-sales/1/products', { productId: 1, ...change })
      expectProblem(answer, 400, 'validation_failed')
    }
  })

  it.each(['0', '-1', '1.5', '1e0', '0x1', '%201', 'one', '9007199254740993', '1;drop'])(
    'refuses the id %s',
    async (id) => {
      const answer = await post(`/flash-sales/${id}/products`, { productId: 1 })
      expectProblem(answer, 400, 'validation_failed')
    },
  )
})

describe('pausing, resuming and cancelling a sale', () => {
  async function statusOf(id: number): Promise<string> {
    return String((await app.call('GET', `/v1/flash-sales/${id}`)).body['status'])
  }

  it('is shown to everybody, and repeating is fine', async () => {
    const { flashSaleId } = await createSale(app.call)
    const steps = [
      ['pause', 'paused'],
      ['pause', 'paused'],
      ['resume', 'active'],
      ['resume', 'active'],
      ['cancel', 'cancelled'],
      ['cancel', 'cancelled'],
    ] as const
    for (const [verb, status] of steps) {
      const answer = await post(`/flash-sales/${flashSaleId}/${verb}`)
      expect([answer.status, answer.body['status']]).toEqual([200, status])
      expect(await statusOf(flashSaleId)).toBe(status)
    }
    expectProblem(await post(`/flash-sales/${flashSaleId}/resume`), 409, 'flash_sale_over')
    expectProblem(await post(`/flash-sales/${flashSaleId}/pause`), 409, 'flash_sale_over')
  })

  it('knows only sales that are there and not over', async () => {
    const past = { ...goodSale, startsAt: '2020-01-01T00:00:00Z', endsAt: '2020-01-02T00:00:00Z' }
    const ended = Number((await post('/flash-sales', past)).body['id'])
    for (const verb of ['pause', 'resume', 'cancel']) {
      expectProblem(await post(`/flash-sales/999999/${verb}`), 404, 'not_found')
      expectProblem(await post(`/flash-sales/x/${verb}`), 400, 'validation_failed')
      expectProblem(await post(`/flash-sales/${ended}/${verb}`), 409, 'flash_sale_over')
    }
    expect(await statusOf(ended)).toBe('ended')
  })

  it('leaves holds alone when pausing, and ends what is unpaid when cancelling', async () => {
    const sale = await createSale(app.call, { stock: 10 })
    const unpaid = await invoiced(app.call, sale)
    const paid = await invoiced(app.call, sale)
    const inCart = await createShopper(app.call)
    expect((await addToCart(app.call, sale, inCart)).status).toBe(201)
    await pay(app.call, paid.shopper, paid.invoiceId)

    await post(`/flash-sales/${sale.flashSaleId}/pause`)
    expect(await readStock(app.call, sale.productId)).toMatchObject({ held: 2, sold: 1 })
    await post(`/flash-sales/${sale.flashSaleId}/cancel`)
    const isOver = async () => (await readStock(app.call, sale.productId)).held === 0
    await until(isOver, 3_000, 'the end of all holds')
    expect(await readStock(app.call, sale.productId)).toMatchObject({ available: 9, sold: 1 })
    const refused = await pay(app.call, unpaid.shopper, unpaid.invoiceId)
    expectProblem(refused, 409, 'invoice_cancelled')
    expect((await pay(app.call, paid.shopper, paid.invoiceId)).status).toBe(200)
  })
})
