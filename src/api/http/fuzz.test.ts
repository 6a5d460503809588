import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  sendThrough,
  expressEntry,
  fastPathEntry,
  type AddToCartCall,
} from '../../../test/support/entry-points.ts'
import { expectAuditClean } from '../../../test/support/expectations.ts'
import type { Answer } from '../../../test/support/http.ts'
import { operationsOf, type Operation } from '../../../test/support/open-api.ts'
import { edgesOf, fitting, type JsonSchema } from '../../../test/support/schema-values.ts'
import { createSale, createShopper, type TestSale } from '../../../test/support/sale.ts'
import { invoiced } from '../../../test/support/shopping.ts'
import { createStallMeter } from '../../../test/support/stall-meter.ts'
import { startApp, testAdminToken, type TestApp } from '../../../test/support/start-app.ts'
import { signatureHeader, signWebhook } from '../../payments/webhook.ts'
import { problemCodes } from './problem.ts'

/** The same requests every time; change it to look elsewhere. */
const seed = 20_261_212
const perOperation = 20
const webhookSecret = 'webhook-secret-of-the-tests'

let app: TestApp
let sale: TestSale
let shopperToken: string
let ids: readonly string[]

beforeAll(async () => {
  app = await startApp({ environment: { PAYMENT_WEBHOOK_SECRET: webhookSecret } })
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
  1,
  2,
  0,
  -1,
  1.5,
  2 ** 31,
  2 ** 53,
  -(2 ** 63),
  1e21,
  '1',
  '',
  null,
  [],
  {},
  true,
  '2026-12-12T12:12:00Z',
  '2099-01-01T00:00:00+14:00',
  '9999-12-31T23:59:59Z',
  'EUR',
  'pm_ok',
  '\u0000',
  'a\u0000',
  '\ud800',
  '\u202e',
  "'; drop table stock; --",
  '<script>',
  'x'.repeat(300),
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

const strangeKeys = ['id', 'x', '__proto__', 'constructor', 'toString', 'prototype']

/** Bodies that fit the schema, and such with some of their values replaced or keys added. */
function body(schema: JsonSchema | undefined): fc.Arbitrary<unknown> {
  if (schema === undefined) return fc.oneof(fc.constant(undefined), fc.constant({}), fc.jsonValue())
  const keys = [...Object.keys(schema.properties ?? {}), ...strangeKeys]
  const changes = fc.dictionary(fc.constantFrom(...keys), value(), { maxKeys: 2 })
  const good = fitting(schema) as fc.Arbitrary<object>
  return fc.oneof(
    { weight: 4, arbitrary: good },
    { weight: 6, arbitrary: fc.tuple(good, changes).map(([some, more]) => ({ ...some, ...more })) },
    { weight: 1, arbitrary: changes },
    { weight: 1, arbitrary: fc.jsonValue() },
    { weight: 1, arbitrary: textOf() },
    { weight: 1, arbitrary: fc.constant(undefined) },
  )
}

interface Shot {
  readonly id: string
  readonly query: string
  readonly body: unknown
  readonly key: string | undefined
}

const letters = ['a', 'Z', '0', '9', '!', '~', ' ', '"', '\\', 'é']
const visible = fc.string({ unit: fc.constantFrom(...letters), maxLength: 12 })

/** The parameters it takes, well and badly filled, and some it does not. */
function query({ parameters }: Operation): fc.Arbitrary<string> {
  const own = parameters.filter((each) => each.in === 'query')
  const pairs = own.map(({ name, schema }) =>
    fc
      .oneof(fitting(schema).map(String), fc.constantFrom('', '0', '-1', '1e3', 'x'), textOf())
      .map((some) => [name, some] as const),
  )
  const strange = fc.tuple(fc.constantFrom('x', '__proto__', 'a[b]'), textOf())
  return fc
    .array(fc.oneof({ weight: 1, arbitrary: strange }, ...pairs.map(twice)), { maxLength: 3 })
    .map((some) => some.map(([key, text]) => `${encode(key)}=${encode(text)}`).join('&'))
}

const twice = <T>(arbitrary: fc.Arbitrary<T>) => ({ weight: 4, arbitrary })

function shots(operation: Operation): fc.Arbitrary<Shot> {
  return fc.record({
    id: fc.oneof(fc.constantFrom(...ids), fc.constantFrom('0', '-1', '%00', '%zz'), fc.uuid()),
    query: fc.oneof(fc.constant(''), query(operation)),
    body: operation.method === 'GET' ? fc.constant(undefined) : body(operation.body),
    key: fc.option(visible, { nil: undefined }),
  })
}

/** Every field of a good body, replaced by every nasty value and by the bounds of its schema. */
function replaced(operation: Operation): readonly Shot[] {
  const { body: schema } = operation
  if (schema === undefined) return []
  const [good] = fc.sample(fitting(schema) as fc.Arbitrary<object>, { seed, numRuns: 1 })
  const bodies = Object.entries(schema.properties ?? {}).flatMap(([key, field]) =>
    [...nasty, ...edgesOf(field)].map((some) => ({ ...good, [key]: some })),
  )
  return bodies.map((some) => ({ id: '1', query: '', body: some, key: undefined }))
}

/** Halves of surrogate pairs cannot be written in a URL. */
const encode = (text: string): string => encodeURIComponent(Buffer.from(text).toString('utf8'))

function fire(operation: Operation, shot: Shot): Promise<Answer> {
  const { method, path, access, parameters } = operation
  const url = path.replaceAll(/\{\w+\}/g, shot.id) + (shot.query === '' ? '' : `?${shot.query}`)
  const token = access === 'admin' ? testAdminToken : shopperToken
  const isSigned = parameters.some(({ name }) => name === signatureHeader)
  const headers = {
    ...(shot.key !== undefined && { 'idempotency-key': shot.key }),
    ...(isSigned && { [signatureHeader]: signatureOf(shot.body) }),
  }
  return app.call(method, url, { token, body: shot.body, headers })
}

/**
 * Signs a webhook as the provider does, so that bodies which fit the schema pass the signature
 * check.
 */
function signatureOf(sent: unknown): string {
  const text = typeof sent === 'string' ? sent : JSON.stringify(sent)
  return signWebhook(webhookSecret, sent === undefined ? '' : text, Date.now())
}

const alwaysPossible = [400, 404, 413, 415]

/** Lists everything that is wrong with an answer. */
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

async function fireAll(operation: Operation, some: readonly Shot[]): Promise<readonly Fired[]> {
  const fired: Fired[] = []
  for (let start = 0; start < some.length; start += atOnce) {
    const few = some.slice(start, start + atOnce)
    const answers = await Promise.all(few.map((shot) => fire(operation, shot)))
    for (const [index, answer] of answers.entries()) fired.push({ shot: few[index], answer })
  }
  return fired
}

interface Fired {
  readonly shot: Shot | undefined
  readonly answer: Answer
}

function complaintsOf(operation: Operation, fired: readonly Fired[]): readonly string[] {
  return fired.flatMap(({ shot, answer }) => {
    const sent = `${operation.method} ${operation.path} ${JSON.stringify(shot)}`
    return complaints(operation, answer).map(
      (each) => `${each}: ${sent} → ${answer.status} ${answer.text}`,
    )
  })
}

/**
 * The CPU time of one turn while requests are fired, not while they are made up. It is under 100.
 */
const stallMsMax = 500

describe(`nothing a client sends (seed ${seed})`, () => {
  it('makes a 500 on any route, an answer that is not documented, or a stall', async () => {
    const operations = operationsOf((await app.call('GET', '/openapi.json')).body)
    for (const operation of operations) {
      const random = fc.sample(shots(operation), { seed, numRuns: perOperation })
      const some = [...random, ...replaced(operation)]
      const meter = createStallMeter()
      const fired = await fireAll(operation, some)
      const stallMs = meter.stop()
      expect(complaintsOf(operation, fired)).toEqual([])
      // Bodies that fit the schema must pass its check; otherwise this would prove little.
      const further = fired.filter(({ answer }) => answer.status !== 400)
      expect([operation.path, further.length > 0]).toEqual([operation.path, true])
      expect(stallMs, operation.path).toBeLessThan(stallMsMax)
    }
    expect((await app.call('GET', '/livez')).status).toBe(200)
    expect((await app.call('GET', '/readyz')).status).toBe(200)
  })

  it('is told apart by the two entryPoints of add to cart', async () => {
    const shopper = await createShopper(app.call)
    const operations = operationsOf((await app.call('GET', '/openapi.json')).body)
    const { body: schema } = operations.find(({ path }) => path === fastPathEntry.path)!
    const isWish = (some: unknown): some is object => typeof some === 'object' && some !== null
    const calls = fc.record<AddToCartCall>({
      body: fc.oneof(
        body(schema).map((some) => (isWish(some) ? { ...some, ...sale } : some)),
        body(schema),
        fc.string({ unit: 'binary' }),
      ),
      key: fc.option(visible, { nil: undefined }),
      token: fc.constantFrom(shopper.token, shopper.token, testAdminToken, undefined, 'x'),
    })
    const told = ({ status, headers, body: answered }: Answer) => ({
      status,
      code: answered['code'],
      detail: answered['detail'],
      ...Object.fromEntries(
        ['content-type', 'www-authenticate', 'cache-control', 'location'].map((name) => [
          name,
          headers.get(name),
        ]),
      ),
      // Spread by the request's id.
      waits: headers.has('retry-after'),
      key: headers.get('idempotency-key')?.replace(/^[0-9a-f-]{36}$/, 'made'),
    })
    for (const request of fc.sample(calls, { seed, numRuns: 100 })) {
      const first = await sendThrough(app.call, fastPathEntry, request)
      const second = await sendThrough(app.call, expressEntry, request)
      expect([request, told(first)]).toEqual([request, told(second)])
    }
  })
})
