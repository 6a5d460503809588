import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { operationsOf } from '../../../test/support/open-api.ts'
import { bodyFor, plausibleIds, urlFor } from '../../../test/support/requests.ts'
import { createSale } from '../../../test/support/sale.ts'
import { startApp, testAdminToken, type TestApp } from '../../../test/support/start-app.ts'

let app: TestApp
const token = testAdminToken

interface Item {
  readonly id: number
  readonly route: string
  readonly outcome: string
}

async function actions(query = ''): Promise<readonly Item[]> {
  const { body } = await app.call('GET', `/v1/admin/actions${query}`, { token })
  return body['items'] as unknown as Item[]
}

beforeAll(async () => {
  app = await startApp()
  await createSale(app.call, { stock: 5 })
})
afterAll(() => app.stop())

describe('the record of what operators did', () => {
  it('has a row for every admin route that changes something, and none for those that read', async () => {
    const document = (await app.call('GET', '/openapi.json')).body
    const routes = operationsOf(document).filter(({ access }) => access === 'admin')
    for (const operation of routes) {
      const before = (await actions('?limit=200')).length
      const { method, path } = operation
      const answer = await app.call(method, urlFor(operation, plausibleIds(operation)), {
        token,
        body: bodyFor(operation),
        headers: { 'x-request-id': 'find.me' },
      })
      expect([path, answer.status < 500 && answer.status !== 400]).toEqual([path, true])
      const after = await actions('?limit=200')
      expect([path, after.length - before]).toEqual([path, method === 'GET' ? 0 : 1])
      if (method === 'GET') continue
      expect(after[0]).toMatchObject({
        route: `${method} ${path}`,
        requestId: 'find.me',
        address: '127.0.0.1',
        body: bodyFor(operation) ?? {},
        outcome: answer.status < 300 ? 'done' : answer.body['code'],
      })
    }
  })

  it('has none of what nobody acted on', async () => {
    const before = await actions()
    const path = '/v1/admin/products'
    await app.call('POST', path, { token, body: { name: '' } })
    await app.call('POST', path, { token, body: 'x' })
    await app.call('POST', path, { token: 'wrong', body: {} })
    expect(await actions()).toEqual(before)
  })

  it('has a row for every part of a large batch of users', async () => {
    await app.call('POST', '/v1/admin/users/batch', { token, body: { count: 450 } })
    const newest = await actions('?limit=3')
    expect(newest).toMatchObject([50, 200, 200].map((count) => ({ body: { count } })))
  })

  it('is read page by page, newest first', async () => {
    const all = await actions('?limit=200')
    const ids: number[] = []
    let cursor: string | null = ''
    while (cursor !== null) {
      const query = `?limit=4${cursor === '' ? '' : `&cursor=${cursor}`}`
      const { body } = await app.call('GET', `/v1/admin/actions${query}`, { token })
      const { items, nextCursor } = body as unknown as { items: Item[]; nextCursor: string | null }
      ids.push(...items.map(({ id }) => id))
      cursor = nextCursor
    }
    expect(ids).toEqual(all.map(({ id }) => id))
    expect(ids).toEqual([...ids].sort((a, b) => b - a))
  })
})
