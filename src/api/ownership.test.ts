import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { expectProblem } from '../testing/expect-problem.ts'
import { lockDatabase } from '../testing/lock-database.ts'
import { operationsOf, type Operation } from '../testing/open-api.ts'
import { createSale, createShopper, type TestSale, type TestShopper } from '../testing/sale.ts'
import { hold, invoiced, keyed } from '../testing/shopping.ts'
import { startApp, testAdminToken, type TestApp } from '../testing/start-app.ts'
import { makeToken } from '../testing/tokens.ts'
import { until } from '../testing/until.ts'

/** I21: every route of the document, asked by everybody who has no business there. */
let app: TestApp
let operations: readonly Operation[]
let sale: TestSale
/** Has a cart, an invoice and a request that was answered 202. */
let owner: TestShopper
let intruder: TestShopper
let ownerIds: Readonly<Record<string, string>>

beforeAll(async () => {
  app = await startApp({ environment: { ADD_TO_CART_WAIT_MS: '400' } })
  sale = await createSale(app.call, { stock: 100 })
  const { shopper, invoiceId } = await invoiced(app.call, sale)
  owner = shopper
  intruder = await createShopper(app.call)
  const reservationId = await hold(app.call, sale, owner)
  const lock = lockDatabase(app.databasePath)
  const { token } = owner
  const late = await app.call('POST', '/v1/cart/items', { token, body: sale })
  lock.release()
  const statusUrl = late.headers.get('location') ?? ''
  const requestId = statusUrl.replace('/v1/cart/requests/', '')
  const isSettled = async () => {
    const { body } = await app.call('GET', statusUrl, { token })
    return String(body['status']) !== 'pending'
  }
  await until(isSettled, 10_000, 'the end of the late request')
  ownerIds = { reservationId, requestId, id: invoiceId }
  operations = operationsOf((await app.call('GET', '/openapi.json')).body)
})
afterAll(() => app.stop())

/** What is sent where a body is needed; it is good, so that only the credential is wrong. */
const bodies: Readonly<Record<string, unknown>> = {
  'POST /v1/users': { name: 'Ann', email: 'ann@example.com' },
  'POST /v1/invoices/{id}/pay': { paymentMethod: 'pm_ok' },
  'POST /v1/admin/flash-sales': {
    ...{ name: 'x', startsAt: '2026-12-12T12:12:00Z', endsAt: '2026-12-12T13:12:00Z' },
  },
  'POST /v1/admin/products': { name: 'x', priceMinor: 1, currency: 'EUR', stock: 1 },
  'POST /v1/admin/flash-sales/{id}/products': { productId: 1 },
  'PATCH /v1/admin/products/{id}/stock': { adjustBy: 1, reason: 'x' },
  'POST /v1/admin/users/batch': { count: 1 },
}

const nameOf = ({ method, path }: Operation): string => `${method} ${path}`

function ask(operation: Operation, token: string | undefined, headers = {}) {
  const { method, path, access } = operation
  const ids = access === 'shopper' ? ownerIds : { id: '1' }
  const url = path.replace(/\{(\w+)\}/, (_, name: string) => ids[name as 'id'] ?? '')
  const body = nameOf(operation) === 'POST /v1/cart/items' ? sale : bodies[nameOf(operation)]
  return app.call(method, url, { token, body, headers })
}

/** Everything the owner can see, to be the same before and after. */
async function ownersView(): Promise<string> {
  const { token } = owner
  const paths = ['/v1/cart', '/v1/invoices', `/v1/invoices/${ownerIds['id'] ?? ''}`]
  const answers = await Promise.all(paths.map((path) => app.call('GET', path, { token })))
  return answers.map(({ text }) => text).join('\n')
}

const of = (access: Operation['access']) => operations.filter((each) => each.access === access)

describe('whoever has no business there', () => {
  it.each([
    ['no token', () => undefined],
    ['an expired token', () => makeToken(owner.id, { claims: { exp: 1_700_000_000 } })],
    ['a forged token', () => makeToken(owner.id, { secret: 'x'.repeat(40) })],
    ['the admin token', () => testAdminToken],
  ])('is told nothing on a shopper’s route with %s', async (_title, token) => {
    const before = await ownersView()
    expect(of('shopper').length).toBeGreaterThan(9)
    for (const operation of of('shopper')) {
      expectProblem(await ask(operation, token()), 401, 'unauthenticated')
    }
    expect(await ownersView()).toBe(before)
  })

  it('finds nothing of somebody else’s, on any route, and changes nothing', async () => {
    const before = await ownersView()
    const theirs = of('shopper').filter(({ path }) => path.includes('{'))
    expect(theirs.map(nameOf).sort()).toEqual([
      'DELETE /v1/cart/items/{reservationId}',
      'GET /v1/cart/requests/{requestId}',
      'GET /v1/invoices/{id}',
      'POST /v1/invoices/{id}/cancel',
      'POST /v1/invoices/{id}/pay',
    ])
    for (const operation of theirs) {
      expectProblem(await ask(operation, intruder.token), 404, 'not_found')
    }
    expect(await ownersView()).toBe(before)
  })

  it('sees only what is theirs in every list, and clears only their own cart', async () => {
    const before = await ownersView()
    for (const operation of of('shopper').filter(({ path }) => !path.includes('{'))) {
      const { text } = await ask(operation, intruder.token)
      for (const id of Object.values(ownerIds)) expect(text).not.toContain(id)
    }
    expect(await ownersView()).toBe(before)
  })

  it('gets no answer of somebody else’s by using their key', async () => {
    const key = { headers: keyed('shared') }
    const { token } = owner
    const first = await app.call('POST', '/v1/cart/items', { token, body: sale, ...key })
    const theirs = await app.call('POST', '/v1/cart/items', {
      ...{ token: intruder.token, body: sale, ...key },
    })
    expect(theirs.headers.get('idempotency-replayed')).toBeNull()
    expect(theirs.text).not.toBe(first.text)
  })

  it('does not get into the operator’s rooms', async () => {
    expect(of('admin').length).toBeGreaterThan(8)
    for (const operation of of('admin')) {
      for (const token of [undefined, 'wrong', makeToken(owner.id, { secret: 'x'.repeat(40) })]) {
        expectProblem(await ask(operation, token), 401, 'unauthenticated')
      }
      expectProblem(await ask(operation, owner.token), 403, 'forbidden')
    }
    const sales = await app.call('GET', '/v1/flash-sales')
    expect((sales.body as unknown as { items: unknown[] }).items).toHaveLength(1)
  })

  it('is let in where everybody is, whatever they carry', async () => {
    for (const operation of of('anyone')) {
      for (const token of [undefined, 'wrong', testAdminToken]) {
        expect([401, 403]).not.toContain((await ask(operation, token)).status)
      }
    }
  })

  it('is the operator nowhere but in the operator’s rooms, where every door opens', async () => {
    for (const operation of of('admin')) {
      const { status } = await ask(operation, testAdminToken)
      expect([nameOf(operation), [401, 403, 500].includes(status)]).toEqual([
        nameOf(operation),
        false,
      ])
    }
  })
})
