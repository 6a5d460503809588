import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { enter, expressDoor, fastLaneDoor, type Parcel } from '../testing/doors.ts'
import { expectAuditClean } from '../testing/expectations.ts'
import type { Answer } from '../testing/http.ts'
import { operationsOf, type Operation } from '../testing/open-api.ts'
import { createSale, createShopper, type TestSale } from '../testing/sale.ts'
import { invoiced } from '../testing/shopping.ts'
import { startApp, testAdminToken, type TestApp } from '../testing/start-app.ts'
import { problemCodes } from './problem.ts'

/** The same requests every time; change it to look elsewhere. */
const seed = 20_261_212
const perOperation = 20

let app: TestApp
let sale: TestSale
let shopperToken: string
let ids: readonly string[]

beforeAll(async () => {
  app = await startApp()
  sale = await createSale(app.call, { stock: 100 })
  const { shopper, invoiceId, reservationId } = await invoiced(app.call, sale)
  shopperToken = shopper.token
  ids = ['1', '2', invoiceId, reservationId]
})
afterAll(async () => {
  await expectAuditClean(app.call)
  await app.stop()
})

const textOf = () => fc.string({ unit: 'binary', maxLength: 40 })

const nasty: readonly unknown[] = [
  ...[1, 2, 0, -1, 1.5, 2 ** 31, 2 ** 53, -(2 ** 63), 1e21, '1', '', null, [], {}, true],
  ...['2026-12-12T12:12:00Z', '2099-01-01T00:00:00+14:00', '9999-12-31T23:59:59Z', 'EUR', 'pm_ok'],
  ...[
    '\u0000',
    'a\u0000',
    '\ud800',
    '\u202e',
    "'; drop table stock; --",
    '<script>',
    'x'.repeat(300),
  ],
]

/** Values that look right, nearly right and not right at all. */
function value(): fc.Arbitrary<unknown> {
  return fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom(...nasty) },
    { weight: 1, arbitrary: fc.integer() },
    { weight: 1, arbitrary: fc.double() },
    { weight: 1, arbitrary: textOf() },
    { weight: 1, arbitrary: fc.jsonValue({ maxDepth: 2 }) },
  )
}

const keys = [
  ...[
    'flashSaleId',
    'productId',
    'quantity',
    'paymentMethod',
    'name',
    'email',
    'startsAt',
    'endsAt',
  ],
  ...['holdSeconds', 'priceMinor', 'currency', 'stock', 'shopId', 'salePriceMinor', 'count'],
  ...['purchaseLimit', 'adjustBy', 'reason', '__proto__', 'constructor', 'toString'],
]

/** Good bodies to start from, with some of their values replaced. */
function body(good: Readonly<Record<string, unknown>>): fc.Arbitrary<unknown> {
  const changes = fc.dictionary(fc.constantFrom(...keys), value(), { maxKeys: 3 })
  const some = fc.dictionary(fc.constantFrom(...Object.keys(good), 'id'), value(), { maxKeys: 2 })
  return fc.oneof(
    { weight: 6, arbitrary: some.map((replaced) => ({ ...good, ...replaced })) },
    { weight: 1, arbitrary: changes },
    { weight: 1, arbitrary: fc.jsonValue() },
    { weight: 1, arbitrary: textOf() },
    { weight: 1, arbitrary: fc.constant(undefined) },
  )
}

const goodBodies: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  'POST /v1/users': { name: 'Ann', email: 'ann@example.com' },
  'POST /v1/cart/items': { flashSaleId: 1, productId: 1, quantity: 1 },
  'POST /v1/invoices/{id}/pay': { paymentMethod: 'pm_ok' },
  'POST /v1/admin/flash-sales': {
    ...{ name: 'x', startsAt: '2026-12-12T12:12:00Z', endsAt: '2096-12-12T13:12:00Z' },
    holdSeconds: 60,
  },
  'POST /v1/admin/products': { name: 'x', priceMinor: 1, currency: 'EUR', stock: 1, shopId: 1 },
  'POST /v1/admin/flash-sales/{id}/products': { productId: 1, salePriceMinor: 1, purchaseLimit: 1 },
  'PATCH /v1/admin/products/{id}/stock': { adjustBy: 1, reason: 'x' },
  'POST /v1/admin/users/batch': { count: 1 },
}

interface Shot {
  readonly id: string
  readonly query: string
  readonly body: unknown
  readonly key: string | undefined
}

const letters = ['a', 'Z', '0', '9', '!', '~', ' ', '"', '\\', 'é']
const visible = fc.string({ unit: fc.constantFrom(...letters), maxLength: 12 })

function shots(operation: Operation): fc.Arbitrary<Shot> {
  const name = `${operation.method} ${operation.path}`
  const names = fc.constantFrom('limit', 'cursor', 'productId', 'status', 'x', '__proto__', 'a[b]')
  const query = fc.dictionary(names, fc.oneof(fc.constantFrom('1', 'paid', '', '200'), textOf()), {
    maxKeys: 2,
  })
  return fc.record({
    id: fc.oneof(fc.constantFrom(...ids), fc.constantFrom('0', '-1', '%00', '%zz'), fc.uuid()),
    query: query.map((pairs) =>
      Object.entries(pairs)
        .map(
          ([key, some]) => `${encodeURIComponent(key)}=${encodeURIComponent(toWellFormed(some))}`,
        )
        .join('&'),
    ),
    body: operation.method === 'GET' ? fc.constant(undefined) : body(goodBodies[name] ?? {}),
    key: fc.option(visible, { nil: undefined }),
  })
}

/** Every field of a good body, replaced by every nasty value. */
function replaced(operation: Operation): readonly Shot[] {
  const good = goodBodies[`${operation.method} ${operation.path}`] ?? {}
  const bodies = Object.keys(good).flatMap((key) => nasty.map((some) => ({ ...good, [key]: some })))
  return bodies.map((some) => ({ id: '1', query: '', body: some, key: undefined }))
}

/** Halves of surrogate pairs cannot be written in a URL. */
const toWellFormed = (text: string): string => Buffer.from(text).toString('utf8')

function fire(operation: Operation, shot: Shot): Promise<Answer> {
  const { method, path, access } = operation
  const url = path.replace(/\{\w+\}/, shot.id) + (shot.query === '' ? '' : `?${shot.query}`)
  const token = access === 'admin' ? testAdminToken : shopperToken
  const headers = shot.key === undefined ? {} : { 'idempotency-key': shot.key }
  return app.call(method, url, { token, body: shot.body, headers })
}

const alwaysPossible = [400, 404, 413, 415]

/** What is wrong with an answer, whatever was sent. */
function complaints(
  { statuses }: Operation,
  { status, headers, body: answered }: Answer,
): string[] {
  const found: string[] = []
  if (status >= 500) found.push('a fault of ours')
  if (!statuses.includes(status) && !alwaysPossible.includes(status)) found.push('not documented')
  if (status < 400) return found
  if (headers.get('content-type') !== 'application/problem+json') found.push('no problem+json')
  if (!(problemCodes as readonly unknown[]).includes(answered['code'])) found.push('unknown code')
  return found
}

const atOnce = 16

async function fireAll(operation: Operation, some: readonly Shot[]): Promise<string[]> {
  const found: string[] = []
  for (let start = 0; start < some.length; start += atOnce) {
    const few = some.slice(start, start + atOnce)
    const answers = await Promise.all(few.map((shot) => fire(operation, shot)))
    for (const [index, answer] of answers.entries()) {
      const sent = `${operation.method} ${operation.path} ${JSON.stringify(few[index])}`
      for (const each of complaints(operation, answer)) {
        found.push(`${each}: ${sent} → ${answer.status} ${answer.text}`)
      }
    }
  }
  return found
}

describe(`nothing a client sends (seed ${seed})`, () => {
  it('makes a 500 on any route, or an answer that is not documented', async () => {
    const operations = operationsOf((await app.call('GET', '/openapi.json')).body)
    const fired = operations.filter(({ path }) => path.startsWith('/v1/'))
    for (const operation of fired) {
      const random = fc.sample(shots(operation), { seed, numRuns: perOperation })
      expect(await fireAll(operation, [...random, ...replaced(operation)])).toEqual([])
    }
    expect((await app.call('GET', '/readyz')).status).toBe(200)
  })

  it('is told apart by the two doors of add to cart', async () => {
    const shopper = await createShopper(app.call)
    const parcels = fc.record<Parcel>({
      body: fc.oneof(body({ ...sale, quantity: 1 }), fc.string({ unit: 'binary' })),
      key: fc.option(visible, { nil: undefined }),
      token: fc.constantFrom(shopper.token, shopper.token, testAdminToken, undefined, 'x'),
    })
    const told = ({ status, headers, body: answered }: Answer) => ({
      ...{ status, code: answered['code'], detail: answered['detail'] },
      ...Object.fromEntries(
        ['content-type', 'retry-after', 'www-authenticate', 'cache-control', 'location'].map(
          (name) => [name, headers.get(name)],
        ),
      ),
      key: headers.get('idempotency-key')?.replace(/^[0-9a-f-]{36}$/, 'made'),
    })
    for (const parcel of fc.sample(parcels, { seed, numRuns: 100 })) {
      const first = await enter(app.call, fastLaneDoor, parcel)
      const second = await enter(app.call, expressDoor, parcel)
      expect([parcel, told(first)]).toEqual([parcel, told(second)])
    }
  })
})
