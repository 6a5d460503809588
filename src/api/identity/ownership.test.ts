import { generateKeyPairSync, sign } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { expectProblem } from '../../../test/support/expect-problem.ts'
import { lockDatabase } from '../../../test/support/lock-database.ts'
import { operationsOf, type Operation } from '../../../test/support/open-api.ts'
import { bodyFor, nameOf, plausibleIds, urlFor } from '../../../test/support/requests.ts'
import {
  createSale,
  createShopper,
  type TestSale,
  type TestShopper,
} from '../../../test/support/sale.ts'
import { hold, invoiced, keyed } from '../../../test/support/shopping.ts'
import { startApp, testAdminToken, type TestApp } from '../../../test/support/start-app.ts'
import { makeToken, nobodysUid, subjectOf } from '../../../test/support/tokens.ts'
import { until } from '../../../test/support/until.ts'

/** Tests I21: every route of the document is called by everybody without a right to it. */
let app: TestApp
let operations: readonly Operation[]
let sale: TestSale
/** A shopper who has a cart, an invoice and a request that was answered 202. */
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

/**
 * The access of each route; a route without a row fails. `open`: everybody. `own`: shoppers see
 * only their own things. `hidden`: the same, and others' things are 404. `operator`: only the admin
 * token.
 */
type Rule = 'open' | 'own' | 'hidden' | 'operator'

const rules: Readonly<Record<string, Rule>> = {
  'GET /livez': 'open',
  'GET /readyz': 'open',
  'GET /metrics': 'open',
  'GET /openapi.json': 'open',
  'GET /docs': 'open',
  'POST /v1/users': 'open',
  'GET /v1/flash-sales': 'open',
  'GET /v1/flash-sales/{id}': 'open',
  'GET /v1/products/{id}/stock': 'open',
  'POST /v1/webhooks/payments': 'open',
  'POST /v1/cart/items': 'own',
  'GET /v1/cart': 'own',
  'DELETE /v1/cart': 'own',
  'POST /v1/checkout': 'own',
  'GET /v1/invoices': 'own',
  'DELETE /v1/cart/items/{reservationId}': 'hidden',
  'GET /v1/cart/requests/{requestId}': 'hidden',
  'GET /v1/invoices/{id}': 'hidden',
  'POST /v1/invoices/{id}/cancel': 'hidden',
  'POST /v1/invoices/{id}/pay': 'hidden',
  'GET /v1/admin/actions': 'operator',
  'GET /v1/admin/attention': 'operator',
  'POST /v1/admin/attention/{id}/close': 'operator',
  'GET /v1/admin/audit': 'operator',
  'GET /v1/admin/invoices': 'operator',
  'POST /v1/admin/flash-sales': 'operator',
  'POST /v1/admin/flash-sales/{id}/cancel': 'operator',
  'POST /v1/admin/flash-sales/{id}/pause': 'operator',
  'POST /v1/admin/flash-sales/{id}/products': 'operator',
  'PATCH /v1/admin/flash-sales/{id}/products/{productId}': 'operator',
  'POST /v1/admin/flash-sales/{id}/resume': 'operator',
  'POST /v1/admin/products': 'operator',
  'PATCH /v1/admin/products/{id}/stock': 'operator',
  'POST /v1/admin/users/batch': 'operator',
}

const under = (rule: Rule) => operations.filter((each) => rules[nameOf(each)] === rule)

const rsaKey = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey

/** Signs a token with a new key pair, as an external issuer would. */
function rs256(token: string): string {
  const signed = token.split('.').slice(0, 2).join('.')
  return `${signed}.${sign('sha256', Buffer.from(signed), rsaKey).toString('base64url')}`
}

/** Credentials that are nearly valid; each must be refused. */
const badCredentials: readonly (readonly [string, () => string | undefined])[] = [
  ['no token', () => undefined],
  ['no JWT at all', () => 'x'],
  ['an expired token', () => makeToken(subjectOf(owner.token), { claims: { exp: 1_700_000_000 } })],
  [
    'a token without an expiry',
    () => makeToken(subjectOf(owner.token), { claims: { exp: undefined } }),
  ],
  [
    'a token signed with another secret',
    () => makeToken(subjectOf(owner.token), { secret: 'x'.repeat(40) }),
  ],
  [
    'a token without a signature',
    () => makeToken(subjectOf(owner.token), { header: { alg: 'none' } }).replace(/[^.]*$/, ''),
  ],
  [
    'an HS512 token',
    () => makeToken(subjectOf(owner.token), { header: { alg: 'HS512' }, hash: 'sha512' }),
  ],
  ['an RS256 token', () => rs256(makeToken(subjectOf(owner.token), { header: { alg: 'RS256' } }))],
  [
    'an RS256 token signed with our secret',
    () => makeToken(subjectOf(owner.token), { header: { alg: 'RS256' } }),
  ],
  [
    'a token of another issuer',
    () => makeToken(subjectOf(owner.token), { claims: { iss: 'elsewhere' } }),
  ],
  [
    'a token for another audience',
    () => makeToken(subjectOf(owner.token), { claims: { aud: 'elsewhere' } }),
  ],
  ['a token of the number of a user', () => makeToken(String(owner.id))],
  ['a token of a user who was never made', () => makeToken(nobodysUid)],
]

function ask(operation: Operation, token: string | undefined, headers = {}) {
  const ids = operation.access === 'shopper' ? ownerIds : plausibleIds(operation)
  const url = urlFor(operation, ids)
  const body = nameOf(operation) === 'POST /v1/cart/items' ? sale : bodyFor(operation)
  return app.call(operation.method, url, { token, body, headers })
}

/** Reads everything the owner can see; it must be the same before and after. */
async function ownersView(): Promise<string> {
  const { token } = owner
  const paths = ['/v1/cart', '/v1/invoices', `/v1/invoices/${ownerIds['id'] ?? ''}`]
  const answers = await Promise.all(paths.map((path) => app.call('GET', path, { token })))
  return answers.map(({ text }) => text).join('\n')
}

it('every route of the document has its rule, and there is no rule without a route', () => {
  expect(Object.keys(rules).sort()).toEqual(operations.map(nameOf).sort())
  const access = { open: 'anyone', own: 'shopper', hidden: 'shopper', operator: 'admin' }
  for (const each of operations) {
    expect([nameOf(each), access[rules[nameOf(each)]!]]).toEqual([nameOf(each), each.access])
  }
})

describe.each(badCredentials)('with %s', (_title, credential) => {
  it('a shopper’s and an operator’s route says nothing but 401, and nothing changes', async () => {
    const before = await ownersView()
    for (const operation of [...under('own'), ...under('hidden'), ...under('operator')]) {
      expectProblem(await ask(operation, credential()), 401, 'unauthenticated')
    }
    expect(await ownersView()).toBe(before)
  })

  it('an open route is as open as ever', async () => {
    for (const operation of under('open')) {
      expect([401, 403]).not.toContain((await ask(operation, credential())).status)
    }
  })
})

describe('another shopper', () => {
  it('finds nothing of somebody else’s, on any route, and changes nothing', async () => {
    const before = await ownersView()
    for (const operation of under('hidden')) {
      expectProblem(await ask(operation, intruder.token), 404, 'not_found')
    }
    expect(await ownersView()).toBe(before)
  })

  it('sees only what is theirs in every list, and clears only their own cart', async () => {
    const before = await ownersView()
    for (const operation of under('own')) {
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
      token: intruder.token,
      body: sale,
      ...key,
    })
    expect(theirs.headers.get('idempotency-replayed')).toBeNull()
    expect(theirs.text).not.toBe(first.text)
  })

  it('is told 403 on every route of operators, and nothing happens', async () => {
    for (const operation of under('operator')) {
      expectProblem(await ask(operation, owner.token), 403, 'forbidden')
    }
    const sales = await app.call('GET', '/v1/flash-sales')
    expect((sales.body as unknown as { items: unknown[] }).items).toHaveLength(1)
  })
})

describe('the operator', () => {
  it('is no shopper', async () => {
    const before = await ownersView()
    for (const operation of [...under('own'), ...under('hidden')]) {
      expectProblem(await ask(operation, testAdminToken), 401, 'unauthenticated')
    }
    expect(await ownersView()).toBe(before)
  })

  it('gets in everywhere else', async () => {
    for (const operation of [...under('operator'), ...under('open')]) {
      const { status } = await ask(operation, testAdminToken)
      expect([nameOf(operation), [401, 403, 500].includes(status)]).toEqual([
        nameOf(operation),
        false,
      ])
    }
  })
})
