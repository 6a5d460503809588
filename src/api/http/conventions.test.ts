import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { expectProblem } from '../../../test/support/expect-problem.ts'
import type { Call } from '../../../test/support/http.ts'
import { createShopper } from '../../../test/support/sale.ts'
import { startApp, testAdminToken, type TestApp } from '../../../test/support/start-app.ts'
import { operationsOf, type Operation } from '../../../test/support/open-api.ts'

let app: TestApp
let call: Call
let operations: readonly Operation[]
let shopperToken: string

beforeAll(async () => {
  app = await startApp()
  call = app.call
  operations = operationsOf((await call('GET', '/openapi.json')).body)
  shopperToken = (await createShopper(call)).token
})
afterAll(() => app.stop())

/** Their answers say the same to everybody. */
const publicPaths = ['/v1/flash-sales', '/v1/flash-sales/{id}', '/v1/products/{id}/stock']

const concrete = (path: string): string =>
  path
    .replace('{reservationId}', '0197a1b2-0000-7000-8000-000000000001')
    .replace('{requestId}', '0197a1b2-0000-7000-8000-000000000001')
    .replace('{id}', '1')

describe('every route', () => {
  it('refuses a method it does not take, and says which it takes', async () => {
    const paths = [...new Set(operations.map(({ path }) => path))]
    expect(paths.length).toBeGreaterThan(20)
    for (const path of paths) {
      const taken = operations.filter((each) => each.path === path).map(({ method }) => method)
      for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE']) {
        if (taken.includes(method)) continue
        const answer = await call(method, concrete(path))
        expectProblem(answer, 405, 'method_not_allowed')
        const allowed = (answer.headers.get('allow') ?? '').split(', ')
        expect(allowed).toEqual(expect.arrayContaining([...taken, 'OPTIONS']))
        expect(allowed).not.toContain(method)
      }
    }
  })

  it('answers OPTIONS with what it takes, and no body', async () => {
    for (const { path, method } of operations) {
      const answer = await call('OPTIONS', concrete(path))
      expect([answer.status, answer.text]).toEqual([204, ''])
      expect(answer.headers.get('allow')).toContain(method)
    }
  })

  it('answers HEAD like GET without a body, and refuses it where there is no GET', async () => {
    for (const { path, method, access } of operations) {
      const token = access === 'admin' ? testAdminToken : shopperToken
      const options = access === 'anyone' ? {} : { token }
      const head = await call('HEAD', concrete(path), options)
      expect(head.text).toBe('')
      if (method !== 'GET') {
        const other = operations.some((each) => each.path === path && each.method === 'GET')
        if (!other) expect([path, head.status]).toEqual([path, 405])
        continue
      }
      const got = await call('GET', concrete(path), options)
      expect([path, head.status]).toEqual([path, got.status])
      expect(head.headers.get('content-type')).toBe(got.headers.get('content-type'))
    }
  })

  it('refuses a query it does not know', async () => {
    for (const { path, method, access } of operations) {
      const token = access === 'admin' ? testAdminToken : shopperToken
      const options = access === 'anyone' ? {} : { token }
      const answer = await call(method, `${concrete(path)}?surprise=1`, options)
      expect([method, path, answer.status]).toEqual([method, path, 400])
      expectProblem(answer, 400, 'validation_failed')
    }
  })

  it('refuses malformed ids', async () => {
    const withIds = operations.filter(({ path }) => path.includes('{'))
    expect(withIds.length).toBeGreaterThan(8)
    for (const { path, method, access } of withIds) {
      const token = access === 'admin' ? testAdminToken : shopperToken
      for (const id of ['x', '0', '-1', '1.0', 'null', '%00', '..%2f..', '9'.repeat(40)]) {
        const url = path.replace(/\{\w+\}/, id)
        const answer = await call(method, url, access === 'anyone' ? {} : { token })
        expect([method, url, answer.status]).toEqual([method, url, 400])
        expectProblem(answer, 400, 'validation_failed')
      }
    }
  })

  it('refuses a body that is no JSON, whatever it wants', async () => {
    for (const { path, method } of operations.filter(({ method }) => method !== 'GET')) {
      const url = concrete(path)
      expectProblem(await call(method, url, { body: '{' }), 400, 'malformed_json')
      const text = { 'content-type': 'text/plain' }
      const typed = await call(method, url, { body: 'x', headers: text })
      expectProblem(typed, 415, 'unsupported_media_type')
      const large = await call(method, url, { body: `"${'x'.repeat(20_000)}"` })
      expectProblem(large, 413, 'body_too_large')
    }
  })

  it('echoes a sane X-Request-Id and makes one otherwise', async () => {
    for (const { path, method } of operations) {
      const sane = await call(method, concrete(path), { headers: { 'x-request-id': 'a.B-9_z' } })
      expect(sane.headers.get('x-request-id')).toBe('a.B-9_z')
    }
    for (const id of ['', 'a b', 'x'.repeat(101), '<script>', '"', 'ü']) {
      const { headers } = await call('GET', '/livez', { headers: { 'x-request-id': id } })
      expect(headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/)
    }
  })

  it('is not to be kept by caches unless it is the same for all, guessed at by browsers or told who made it', async () => {
    for (const { path, method } of operations) {
      const { headers, status } = await call(method, concrete(path))
      const isPublic = method === 'GET' && publicPaths.includes(path) && status === 200
      const keeping = isPublic ? 'public, max-age=1' : 'no-store'
      expect([path, headers.get('cache-control')]).toEqual([path, keeping])
      expect([path, headers.get('x-content-type-options')]).toEqual([path, 'nosniff'])
      expect([path, headers.get('x-powered-by')]).toEqual([path, null])
    }
  })
})

describe('paths that lead nowhere', () => {
  it.each(['/v1', '/v1/', '/v2/cart', '/v1/invoices/1/2/3', '/favicon.ico', '/docs/x', '/../x'])(
    'are a problem, too: %s',
    async (path) => {
      for (const method of ['GET', 'POST', 'DELETE']) {
        expectProblem(await call(method, path), 404, 'not_found')
      }
    },
  )

  it.each(['/v1/flash-sales/%zz', '/v1/products/%ff/stock', '/v1/invoices/%E0%A4%A'])(
    'are a problem when they cannot be read: %s',
    async (path) => {
      expectProblem(await call('GET', path, { token: shopperToken }), 400, 'bad_request')
    },
  )
})

describe('health', () => {
  it('says alive and ready, with every check by name', async () => {
    expect((await call('GET', '/livez')).body).toEqual({ status: 'alive' })
    const { status, body } = await call('GET', '/readyz')
    expect(status).toBe(200)
    expect(body).toMatchObject({
      status: 'ready',
      checks: { database: 'ok', broker: 'ok', results: 'ok' },
    })
  })
})
