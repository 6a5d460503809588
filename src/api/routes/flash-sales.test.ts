import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { expectProblem } from '../../../test/support/expect-problem.ts'
import { createSale, createShopper } from '../../../test/support/sale.ts'
import { hold } from '../../../test/support/shopping.ts'
import { startApp, testAdminToken, type TestApp } from '../../../test/support/start-app.ts'
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
      expect(Math.abs(Date.parse(String(body['serverTime'])) - Date.now())).toBeLessThan(60_000)
    }
  })

  it('are listed newest first where all end at once, page by page', async () => {
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

  it('are listed while they are not over, and by status', async () => {
    const past = { startsAt: '2020-01-01T00:00:00Z', endsAt: '2020-01-02T00:00:00Z', name: 'past' }
    const made = await app.call('POST', '/v1/admin/flash-sales', {
      token: testAdminToken,
      body: past,
    })
    const ended = made.body['id']
    const idsOf = async (query: string) => {
      const { body } = await app.call('GET', `/v1/flash-sales?limit=200${query}`)
      return (body as unknown as { items: { id: number }[] }).items.map(({ id }) => id)
    }
    expect(await idsOf('')).not.toContain(ended)
    expect(await idsOf('&status=ended')).toEqual([ended])
    expect(await idsOf('&status=active')).not.toContain(ended)
    expect(await idsOf('&status=cancelled')).toEqual([])
  })

  it('are listed with their first 20 products each, and shown with all of them', async () => {
    const { flashSaleId } = await createSale(app.call)
    const token = testAdminToken
    for (let count = 1; count < 21; count += 1) {
      const product = { name: 'x', priceMinor: 1, currency: 'EUR', stock: 1 }
      const { body } = await app.call('POST', '/v1/admin/products', { token, body: product })
      const path = `/v1/admin/flash-sales/${flashSaleId}/products`
      await app.call('POST', path, { token, body: { productId: body['id'] } })
    }
    const { body } = await app.call('GET', '/v1/flash-sales')
    const { items } = body as unknown as {
      items: { id: number; products: []; moreProducts: boolean }[]
    }
    const listed = items.find(({ id }) => id === flashSaleId)
    expect([listed?.products.length, listed?.moreProducts]).toEqual([20, true])
    const shown = await app.call('GET', `/v1/flash-sales/${flashSaleId}`)
    expect((shown.body as unknown as { products: [] }).products).toHaveLength(21)
  })

  it.each(['flash-sales', 'flash-sales/%id', 'products/%id/stock'])(
    'are not sent again to whoever has them: /v1/%s',
    async (path) => {
      const { flashSaleId, productId } = await createSale(app.call)
      const id = path.startsWith('products') ? productId : flashSaleId
      const url = `/v1/${path.replace('%id', String(id))}`
      const ask = (tag: string, method = 'GET') =>
        app.call(method, url, { headers: { 'if-none-match': tag } })
      const known = await ask('"other"')
      const etag = known.headers.get('etag') ?? ''
      expect([known.status, etag]).toEqual([200, expect.stringMatching(/^W\/"/)])
      expect(known.headers.get('cache-control')).toBe('public, max-age=1')
      for (const tag of [
        etag,
        etag.slice(2),
        `"other", ${etag}`,
        `"other",${etag.slice(2)}`,
        '*',
      ]) {
        const again = await ask(tag)
        expect([tag, again.status, again.text]).toEqual([tag, 304, ''])
        expect(again.headers.get('etag')).toBe(etag)
        expect((await ask(tag, 'HEAD')).status).toBe(304)
      }
      for (const tag of ['"other"', etag.slice(3, -1), etag.toUpperCase()]) {
        expect([tag, (await ask(tag)).status]).toEqual([tag, 200])
      }
      const adjust = { token: testAdminToken, body: { adjustBy: 1, reason: 'more' } }
      await app.call('PATCH', `/v1/admin/products/${productId}/stock`, adjust)
      expect((await ask(etag)).status).toBe(200)
    },
  )

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
