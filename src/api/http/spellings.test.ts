import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { entryPoints, sendThrough } from '../../../test/support/entry-points.ts'
import { expectProblem } from '../../../test/support/expect-problem.ts'
import { openRaw } from '../../../test/support/raw-http.ts'
import {
  createSale,
  createShopper,
  type TestSale,
  type TestShopper,
} from '../../../test/support/sale.ts'
import { hold, invoiced, pay } from '../../../test/support/shopping.ts'
import { startApp, testAdminToken, type TestApp } from '../../../test/support/start-app.ts'

/** Identifiers, header values, times and paths that a standard calls equal are equal here, and no others. */
let app: TestApp
let sale: TestSale
let shopper: TestShopper

beforeAll(async () => {
  app = await startApp()
  sale = await createSale(app.call, { stock: 1_000 })
  shopper = await createShopper(app.call)
})
afterAll(() => app.stop())

const capital = (id: string): string => id.toUpperCase()

describe('a UUID in capital letters (RFC 9562) is the same', () => {
  it('in the path of a reservation, a request and an invoice', async () => {
    const owner = await createShopper(app.call)
    const { token } = owner
    const id = await hold(app.call, sale, owner)
    const status = await app.call('GET', `/v1/cart/requests/${capital(id)}`, { token })
    expect([status.status, status.body['status']]).toEqual([200, 'held'])
    const gone = await app.call('DELETE', `/v1/cart/items/${capital(id)}`, { token })
    expect(gone.status).toBe(204)

    const bought = await invoiced(app.call, sale)
    const own = { token: bought.shopper.token }
    const invoice = `/v1/invoices/${capital(bought.invoiceId)}`
    expect((await app.call('GET', invoice, own)).body['id']).toBe(bought.invoiceId)
    expect((await pay(app.call, bought.shopper, capital(bought.invoiceId))).status).toBe(200)
    expectProblem(await app.call('POST', `${invoice}/cancel`, own), 409, 'invoice_paid')
  })

  it('in a cursor', async () => {
    const { shopper: owner, invoiceId } = await invoiced(app.call, sale)
    const list = (cursor: string) =>
      app.call('GET', `/v1/invoices?cursor=${cursor}`, { token: owner.token })
    expect(invoiceId).not.toBe(capital(invoiceId))
    expect((await list(capital(invoiceId))).text).toBe((await list(invoiceId)).text)
  })
})

describe.each(entryPoints)('through $name', (entryPoint) => {
  const send = (headers: Readonly<Record<string, string>>, key?: string) =>
    sendThrough(app.call, entryPoint, { token: shopper.token, body: sale, headers, key })

  it.each([
    'application/json',
    'Application/JSON',
    'application/json;charset=utf-8',
    'application/json; charset=UTF-8',
    'Application/JSON; Charset="UTF-8"',
    'application/json ; charset="utf-8"',
    'application/json;  charset=utf-8',
    'application/json; version=1',
  ])('the media type %s is JSON', async (type) => {
    expect((await send({ 'content-type': type })).status).toBe(201)
  })

  it.each([
    'application/json; charset="latin1"',
    'application/json charset=utf-8',
    'application/jsonx',
  ])('the media type %s is not', async (type) => {
    expectProblem(await send({ 'content-type': type }), 415, 'unsupported_media_type')
  })

  it.each(['Bearer', 'bearer', 'BEARER', 'bEARER'])('the scheme %s is Bearer', async (scheme) => {
    const authorization = `${scheme} ${shopper.token}`
    const call = { body: sale, headers: { authorization } }
    expect((await sendThrough(app.call, entryPoint, call)).status).toBe(201)
  })

  it('an Idempotency-Key with the quotes of a structured field (RFC 9651) is the one without', async () => {
    const owner = await createShopper(app.call)
    const keyed = (key: string) =>
      sendThrough(app.call, entryPoint, { token: owner.token, body: sale, key })
    for (const [plain, quoted] of [
      ['key-1', '"key-1"'],
      ['a"b\\c', '"a\\"b\\\\c"'],
    ] as const) {
      const first = await keyed(quoted)
      const again = await keyed(plain)
      expect([first.status, again.status]).toEqual([201, 201])
      expect(again.body).toEqual(first.body)
      expect(again.headers.get('idempotency-replayed')).toBe('true')
      expect(first.headers.get('idempotency-key')).toBe(plain)
    }
    const other = await keyed('KEY-1')
    expect(other.headers.get('idempotency-replayed')).toBeNull()
    for (const key of ['""', '"a b"', `"${'k'.repeat(256)}"`]) {
      expectProblem(await keyed(key), 400, 'validation_failed')
    }
  })

  it.each(['100-continue', '100-Continue', '100-CONTINUE'])('expects %s', async (expectation) => {
    const connection = await openRaw(app.url)
    const body = JSON.stringify(sale)
    const lines = [
      `POST ${entryPoint.path} HTTP/1.1`,
      'host: holdfast',
      `AUTHORIZATION: bearer ${shopper.token}`,
      'Content-TYPE: application/json',
      `content-length: ${body.length}`,
      `expect: ${expectation}`,
      'Connection: Close',
    ]
    connection.send([...lines, '', ''].join('\r\n'))
    await connection.receive('100 Continue')
    connection.send(body)
    expect(await connection.received()).toContain('HTTP/1.1 201 Created')
  })
})

describe('a time (RFC 3339) is the same', () => {
  const noon = Date.UTC(2030, 5, 30, 12)
  const make = (startsAt: string) =>
    app.call('POST', '/v1/admin/flash-sales', {
      token: testAdminToken,
      body: { name: 'x', startsAt, endsAt: '2031-01-01T00:00:00Z' },
    })

  it.each([
    ['2030-06-30t12:00:00z', noon],
    ['2030-06-30T12:00:00+00:00', noon],
    ['2030-06-30T12:00:00-00:00', noon],
    ['2030-06-30T14:30:00+02:30', noon],
    ['2030-06-30T01:00:00-11:00', noon],
    ['2030-06-30T12:00:00.0Z', noon],
    ['2030-06-30T12:00:00.123456789Z', noon + 123],
    ['2030-06-30T23:59:60Z', Date.UTC(2030, 6, 1)],
    ['2030-07-01t01:59:60+02:00', Date.UTC(2030, 6, 1)],
    ['2030-07-01T05:29:60.5+05:30', Date.UTC(2030, 6, 1) + 500],
  ])('written %s', async (text, epochMs) => {
    const { status, body } = await make(text)
    expect([status, body['startsAt']]).toEqual([201, new Date(epochMs).toISOString()])
  })

  it.each([
    '2030-06-30T12:00:60Z',
    '2030-06-30T23:59:61Z',
    '2030-06-30 12:00:00Z',
    '2030-06-30T12:00:00',
    '2030-06-31T12:00:00Z',
    '2030-06-30T24:00:00Z',
    '2030-06-30T12:00:00+24:00',
    '1969-12-31T23:59:59Z',
    '',
  ])('and not written %s', async (text) => {
    expectProblem(await make(text), 400, 'validation_failed')
  })
})

describe('a path (RFC 3986)', () => {
  const get = (path: string, token = testAdminToken) => app.call('GET', path, { token })

  it.each(['/v1/%66lash-sales', '/v1/flash%2Dsales', '/v1/flash%2dsales', '/%6civez', '/livez/'])(
    'is the same where only unreserved characters are encoded, or a slash ends it: %s',
    async (path) => {
      expect((await get(path)).status).toBe(200)
    },
  )

  it('of add-to-cart is the same, and is not counted or logged otherwise', async () => {
    const { token } = shopper
    for (const path of ['/v1/c%61rt/items', '/v1/cart/items/', '/v1/cart/%69tems/']) {
      expect((await app.call('POST', path, { token, body: sale })).status).toBe(201)
    }
  })

  it.each([
    '/LIVEZ',
    '/V1/flash-sales',
    '/v1/Flash-Sales',
    '//v1/flash-sales',
    '/v1//flash-sales',
    '/v1%2Fflash-sales',
    '/v1/flash-sales//',
    '/v1/flash-sales%2F',
    '/DOCS',
    '/docs/Assets/swagger-ui.css',
    '/OpenAPI.json',
  ])('is another one, which is not there: %s', async (path) => {
    for (const method of ['GET', 'POST']) {
      expectProblem(await app.call(method, path, { token: testAdminToken }), 404, 'not_found')
    }
  })
})

/** A proxy keeps the public away from `/v1/admin` and `/metrics`; it knows them by one spelling. */
describe('an operator’s path has one spelling', () => {
  it.each(['/v1/admin/actions', '/v1/admin/audit', '/metrics'])('%s', async (path) => {
    const raw = async (target: string) => {
      const connection = await openRaw(app.url)
      const authorization = `authorization: Bearer ${testAdminToken}`
      const lines = [`GET ${target} HTTP/1.1`, 'host: holdfast', authorization, 'connection: close']
      connection.send([...lines, '', ''].join('\r\n'))
      return /^HTTP\/1\.1 (\d+)/.exec(await connection.received())?.[1]
    }
    expect(await raw(path)).toBe('200')
    const respelt = [
      path.toUpperCase(),
      path.replace(/[a-z](?=[^a-z]*$)/, (letter) => letter.toUpperCase()),
      `${path}/`,
      `/${path}`,
      `${path}//`,
      path.replace(/\/(?=\w+$)/, '//'),
      path.replace(/\w(?=\w*$)/, (letter) => `%${letter.charCodeAt(0).toString(16)}`),
      path.replace(/\/(?=\w+$)/, '/./'),
      path.replace(/\/(?=\w+$)/, '/x/../'),
      path.replace(/\/(?=\w+$)/, '/x/%2e%2e/'),
      path.replace(/(?<=.)\/(?=\w+$)/, '%2f'),
      `${path};x=1`,
      `${path}%00`,
      `/v1/flash-sales/..${path.replace('/v1', '')}`,
      `/.${path}`,
    ]
    for (const target of respelt) {
      if (target === path) continue
      expect([target, await raw(target)]).toEqual([target, expect.stringMatching(/^40[04]$/)])
    }
  })
})
