import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { expectProblem } from '../../../test/support/expect-problem.ts'
import { createSale, createShopper } from '../../../test/support/sale.ts'
import { hold } from '../../../test/support/shopping.ts'
import { startApp, type TestApp } from '../../../test/support/start-app.ts'
import * as schemas from './schemas.ts'

let app: TestApp

beforeAll(async () => {
  app = await startApp()
})
afterAll(() => app.stop())

describe('flash sales as everybody sees them', () => {
  it('are none at first', async () => {
    const { status, body } = await app.call('GET', '/v1/flash-sales')
    expect([status, body]).toEqual([200, { items: [], nextCursor: null }])
  })

  it('show products with price, limit and what is available', async () => {
    const sale = await createSale(app.call, { stock: 7, purchaseLimit: 2 })
    await hold(app.call, sale, await createShopper(app.call), 2)
    const { body } = await app.call('GET', `/v1/flash-sales/${sale.flashSaleId}`)
    expect(schemas.flashSale.safeParse(body).success).toBe(true)
    const price = { name: 'Wireless Earbuds', priceMinor: 4_999, currency: 'EUR' }
    const product = { productId: sale.productId, ...price, purchaseLimit: 2, available: 5 }
    expect(body).toMatchObject({ status: 'active', holdSeconds: 300, products: [product] })
    const stock = await app.call('GET', `/v1/products/${sale.productId}/stock`)
    const { productId } = sale
    expect(stock.body).toEqual({ productId, allotment: 7, available: 5, held: 2, sold: 0 })
  })

  it('tell scheduled and active ones apart, and the time of the server', async () => {
    const schedules = {
      scheduled: { startsAt: '2098-01-01T00:00:00Z' },
      active: {},
    }
    for (const [status, schedule] of Object.entries(schedules)) {
      const { flashSaleId } = await createSale(app.call, schedule)
      const { body } = await app.call('GET', `/v1/flash-sales/${flashSaleId}`)
      expect(body['status']).toBe(status)
      expect(Math.abs(Date.parse(String(body['serverTime'])) - Date.now())).toBeLessThan(2_000)
    }
  })

  it('are listed newest first, page by page', async () => {
    while (
      (await app.call('GET', '/v1/flash-sales?limit=200')).text.split('"serverTime"').length < 8
    ) {
      await createSale(app.call)
    }
    const ids: number[] = []
    let cursor: string | null = null
    do {
      const query: string = cursor === null ? '' : `&cursor=${cursor}`
      const { body } = await app.call('GET', `/v1/flash-sales?limit=3${query}`)
      const page = body as unknown as { items: { id: number }[]; nextCursor: string | null }
      ids.push(...page.items.map(({ id }) => id))
      cursor = page.nextCursor
    } while (cursor !== null)
    expect(ids).toEqual([7, 6, 5, 4, 3, 2, 1])
  })

  it.each(['cursor=x', 'cursor=', 'cursor=-1', 'cursor=0', 'cursor=1.5', 'limit=0', 'q=1'])(
    'are not listed with %s',
    async (query) => {
      expectProblem(await app.call('GET', `/v1/flash-sales?${query}`), 400, 'validation_failed')
    },
  )

  it.each(['flash-sales/%s', 'products/%s/stock'])('have sane ids only: /v1/%s', async (path) => {
    const url = (id: string) => `/v1/${path.replace('%s', id)}`
    expectProblem(await app.call('GET', url('999999')), 404, 'not_found')
    for (const id of ['0', '-1', '1.5', 'x', '1e0', '0x1', '%20', '%00', '9'.repeat(30)]) {
      expectProblem(await app.call('GET', url(id)), 400, 'validation_failed')
    }
    expectProblem(await app.call('GET', url('%zz')), 400, 'bad_request')
  })
})
