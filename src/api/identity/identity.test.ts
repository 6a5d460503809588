import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { expectProblem } from '../../../test/support/expect-problem.ts'
import { startFakeIssuer, type FakeIssuer } from '../../../test/support/fake-issuer.ts'
import { operationsOf } from '../../../test/support/open-api.ts'
import { nameOf } from '../../../test/support/requests.ts'
import { createSale } from '../../../test/support/sale.ts'
import { startApp, testAdminToken, type TestApp } from '../../../test/support/start-app.ts'
import { makeToken } from '../../../test/support/tokens.ts'
import { until } from '../../../test/support/until.ts'

/** The external issuer of the whole program in these tests. */
let provider: FakeIssuer
let app: TestApp

beforeAll(async () => {
  provider = await startFakeIssuer()
  await provider.addKey('first')
  app = await startWith(provider)
})
afterAll(async () => {
  await app.stop()
  await provider.close()
})

const startWith = ({ issuer, audience, jwksUrl }: FakeIssuer) =>
  startApp({ environment: { JWT_ISSUER: issuer, JWT_AUDIENCE: audience, JWKS_URL: jwksUrl } })

const ready = async ({ call }: TestApp) => (await call('GET', '/readyz')).status === 200

describe('with an external issuer', () => {
  it('a shopper buys with a token from there, through the fast path at once', async () => {
    const sale = await createSale(app.call, { stock: 5 })
    const token = await provider.token('first', Date.now())
    const held = await app.call('POST', '/v1/cart/items', { token, body: sale })
    expect(held.status).toBe(201)
    const again = await provider.token('first', Date.now(), { jti: 'another' })
    const cart = await app.call('GET', '/v1/cart', { token: again })
    expect(cart.body['items']).toHaveLength(1)
  })

  it('nobody registers here, and a token of ours is nobody’s', async () => {
    const body = { name: 'Ann', email: 'ann@example.com' }
    expectProblem(await app.call('POST', '/v1/users', { body }), 404, 'not_found')
    const batch = { token: testAdminToken, body: { count: 1 } }
    expectProblem(await app.call('POST', '/v1/admin/users/batch', batch), 404, 'not_found')
    const operations = operationsOf((await app.call('GET', '/openapi.json')).body).map(nameOf)
    expect(operations.filter((name) => name.includes('users'))).toEqual([])
    const token = makeToken('0'.repeat(32))
    expectProblem(await app.call('GET', '/v1/cart', { token }), 401, 'unauthenticated')
  })

  it('that is away at the start, the node is alive, not ready, and says it cannot tell; then it can', async () => {
    provider.answerWith((response) => response.destroy())
    const other = await startWith(provider)
    try {
      expect((await other.call('GET', '/livez')).status).toBe(200)
      const report = await other.call('GET', '/readyz')
      expect(report.body['checks']).toMatchObject({ issuer: 'no keys of the issuer yet' })
      const token = await provider.token('first', Date.now())
      for (const path of ['/v1/cart/items', '/v1/cart/items/']) {
        const answer = await other.call('POST', path, { token, body: {} })
        expectProblem(answer, 503, 'identity_unavailable')
      }
      provider.answerWith(undefined)
      await until(() => ready(other), 2_000, 'readiness', 25)
      expect((await other.call('GET', '/v1/cart', { token })).status).toBe(200)
    } finally {
      provider.answerWith(undefined)
      await other.stop()
    }
  })
})
