import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { expectProblem } from '../../../test/support/expect-problem.ts'
import { createCall, type Call } from '../../../test/support/http.ts'
import { operationsOf, type Operation } from '../../../test/support/open-api.ts'
import { bodyFor, nameOf, plausibleIds, urlFor } from '../../../test/support/requests.ts'
import { startApp, testAdminToken, type TestApp } from '../../../test/support/start-app.ts'

/** With an admin port: what is where. */
let app: TestApp
let admin: Call
let everything: readonly Operation[]
const token = testAdminToken

const documented = async (call: Call) =>
  operationsOf((await call('GET', '/openapi.json')).body).map(nameOf)

beforeAll(async () => {
  app = await startApp({ environment: { ADMIN_PORT: '0' } })
  admin = createCall(app.holdfast.adminUrl())
  const single = await startApp()
  everything = operationsOf((await single.call('GET', '/openapi.json')).body)
  await single.stop()
})
afterAll(() => app.stop())

const onBoth = ['/livez', '/readyz', '/openapi.json', '/docs']
const belongsToAdmin = ({ path, access }: Operation): boolean =>
  access === 'admin' || path === '/metrics'

describe('with a port of their own for operators', () => {
  it('every route is on one of the two ports, and only health and documentation on both', async () => {
    const [here, there] = [await documented(app.call), await documented(admin)]
    expect([...new Set([...here, ...there])].sort()).toEqual(everything.map(nameOf).sort())
    const both = here.filter((name) => there.includes(name))
    expect(both.sort()).toEqual(onBoth.map((path) => `GET ${path}`).sort())
    expect(there.sort()).toEqual(
      everything
        .filter((each) => belongsToAdmin(each) || onBoth.includes(each.path))
        .map(nameOf)
        .sort(),
    )
  })

  it('a route is 404 on the other port, whatever the credential', async () => {
    for (const operation of everything) {
      if (onBoth.includes(operation.path)) continue
      const wrong = belongsToAdmin(operation) ? app.call : admin
      const url = urlFor(operation, plausibleIds(operation))
      const answer = await wrong(operation.method, url, { token, body: bodyFor(operation) })
      expectProblem(answer, 404, 'not_found')
    }
  })

  it('add-to-cart has no fast path on the admin port', async () => {
    const answer = await admin('POST', '/v1/cart/items', { token, body: {} })
    expectProblem(answer, 404, 'not_found')
  })

  it('an operator gets in on theirs, a shopper does not', async () => {
    const body = { count: 1 }
    const made = await admin('POST', '/v1/admin/users/batch', { token, body })
    expect(made.status).toBe(201)
    const [shopper] = made.body['users'] as unknown as { token: string }[]
    expectProblem(
      await admin('GET', '/v1/admin/invoices', { token: shopper!.token }),
      403,
      'forbidden',
    )
    expect((await app.call('GET', '/v1/cart', { token: shopper!.token })).status).toBe(200)
  })

  it('both servers close', async () => {
    const other = await startApp({ environment: { ADMIN_PORT: '0' } })
    const adminUrl = other.holdfast.adminUrl()
    expect((await fetch(`${adminUrl}/livez`)).status).toBe(200)
    await other.stop()
    await expect(fetch(`${adminUrl}/livez`)).rejects.toThrow()
    await expect(fetch(`${other.url}/livez`)).rejects.toThrow()
  })
})

describe('without one', () => {
  it('everything is in one place', async () => {
    const single = await startApp()
    expect(single.holdfast.adminUrl()).toBe(single.url)
    expect((await single.call('GET', '/v1/admin/invoices', { token })).status).toBe(200)
    await single.stop()
  })
})
