import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  sendThrough,
  type EntryPoint,
  type AddToCartCall,
} from '../../../test/support/entry-points.ts'
import { expectProblem } from '../../../test/support/expect-problem.ts'
import { readStock } from '../../../test/support/expectations.ts'
import {
  createSale,
  createShopper,
  type TestSale,
  type TestShopper,
} from '../../../test/support/sale.ts'
import { startApp, testAdminToken, type TestApp } from '../../../test/support/start-app.ts'
import { makeToken, nobodysUid, subjectOf } from '../../../test/support/tokens.ts'
import type { ProblemCode } from '../http/problem.ts'

const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth)

type Refused = readonly [title: string, status: number, code: ProblemCode, request: AddToCartCall]

const json = { 'content-type': 'application/json' }

/**
 * Makes unreadable bodies. They are refused before the token is checked; all of these have a valid
 * one.
 */
function unreadableBodies(valid: string): readonly Refused[] {
  return [
    ['bad JSON', 400, 'malformed_json', { body: '{"productId": 1,' }],
    ['JSON followed by garbage', 400, 'malformed_json', { body: `${valid}x` }],
    ['only blanks', 400, 'malformed_json', { body: '   ' }],
    ['NaN', 400, 'malformed_json', { body: '{"quantity": NaN}' }],
    ['binary', 400, 'malformed_json', { body: Buffer.from([0, 255, 254, 1]), headers: json }],
    ['1 MiB', 413, 'body_too_large', { body: `{"a":"${'x'.repeat(1024 * 1024)}"}` }],
    ['a byte more than 16 kB', 413, 'body_too_large', { body: valid.padEnd(16 * 1024 + 1) }],
    ['text', 415, 'unsupported_media_type', { ...typed(valid, 'text/plain') }],
    ['a form', 415, 'unsupported_media_type', typed('a=1', 'application/x-www-form-urlencoded')],
    ['JSON of another kind', 415, 'unsupported_media_type', typed(valid, 'application/ld+json')],
    ['latin1', 415, 'unsupported_media_type', typed(valid, 'application/json; charset=latin1')],
    [
      'no charset at all',
      415,
      'unsupported_media_type',
      typed(valid, 'application/json;charset=x'),
    ],
    ['gzip', 415, 'unsupported_media_type', encoded(gzipSync(valid), 'gzip')],
    ['an unknown coding', 415, 'unsupported_media_type', encoded(Buffer.from(valid), 'rot13')],
  ]
}

const typed = (body: string, type: string): AddToCartCall => ({
  body,
  headers: { 'content-type': type },
})
const encoded = (body: Uint8Array<ArrayBuffer>, coding: string): AddToCartCall => ({
  body,
  headers: { ...json, 'content-encoding': coding },
})

function misshapenBodies(sale: TestSale): readonly (readonly [title: string, body: unknown])[] {
  return [
    ['no body', undefined],
    ['an empty body', ''],
    ['an empty object', {}],
    ['an array', [sale]],
    ['a bare string', '"productId"'],
    ['a number', '0'],
    ['true', 'true'],
    ['null', 'null'],
    ['very deep JSON', nested(8_000)],
    ['deep JSON in a known field', { ...sale, quantity: JSON.parse(nested(4_000)) as unknown }],
    ['an unknown key', { ...sale, priceMinor: 1 }],
    ['__proto__', `{"__proto__":{"quantity":1},${JSON.stringify(sale).slice(1)}`],
    ['constructor', { ...sale, constructor: { prototype: {} } }],
    ['hasOwnProperty', { ...sale, hasOwnProperty: 1 }],
    ['another user’s id', { ...sale, userId: 1 }],
    ['no product', { flashSaleId: sale.flashSaleId }],
    ['no sale', { productId: sale.productId }],
    ['a product as text', { ...sale, productId: String(sale.productId) }],
    ['a product of null', { ...sale, productId: null }],
    ['product 0', { ...sale, productId: 0 }],
    ['a negative product', { ...sale, productId: -1 }],
    ['a product beyond whole numbers', { ...sale, productId: 2 ** 53 }],
    ['a product of 1e400', `{"flashSaleId":${sale.flashSaleId},"productId":1e400}`],
    ['half a sale', { ...sale, flashSaleId: 1.5 }],
    ['quantity 0', { ...sale, quantity: 0 }],
    ['quantity −1', { ...sale, quantity: -1 }],
    ['quantity 1.5', { ...sale, quantity: 1.5 }],
    ['quantity 1001', { ...sale, quantity: 1_001 }],
    ['quantity "1"', { ...sale, quantity: '1' }],
    ['quantity true', { ...sale, quantity: true }],
    ['quantity null', { ...sale, quantity: null }],
  ]
}

function badTokens({
  id,
  token,
}: TestShopper): readonly (readonly [title: string, token: string])[] {
  const uid = subjectOf(token)
  return [
    ['of the admin', testAdminToken],
    ['that is no JWT', 'a.b.c'],
    ['that is empty', ''],
    ['that is far too long', 'x'.repeat(8_000)],
    [
      'signed with another secret',
      makeToken(uid, { secret: 'another-secret-0123456789abcdef-0123' }),
    ],
    ['that expired', makeToken(uid, { claims: { exp: 1_700_000_000 } })],
    ['without an expiry', makeToken(uid, { claims: { exp: undefined } })],
    ['with an expiry in words', makeToken(uid, { claims: { exp: 'never' } })],
    ['of another issuer', makeToken(uid, { claims: { iss: 'somebody' } })],
    ['for another audience', makeToken(uid, { claims: { aud: 'another-shop' } })],
    ['without an issuer', makeToken(uid, { claims: { iss: undefined } })],
    ['without an audience', makeToken(uid, { claims: { aud: undefined } })],
    ['without a subject', makeToken(uid, { claims: { sub: undefined } })],
    ['whose subject is a number in JSON', makeToken(uid, { claims: { sub: id } })],
    ['whose subject is SQL', makeToken(uid, { claims: { sub: '1 or 1=1' } })],
    ['whose subject is the number of the user', makeToken(String(id))],
    ['of a user who does not exist', makeToken(nobodysUid)],
    ['of a uid of zeros', makeToken('0'.repeat(32))],
    ['of algorithm none', makeToken(uid, { header: { alg: 'none' } })],
    [
      'of algorithm none, unsigned',
      makeToken(uid, { header: { alg: 'none' } }).replace(/[^.]+$/, ''),
    ],
    ['of RS256, signed with the secret', makeToken(uid, { header: { alg: 'RS256' } })],
    ['of HS512', makeToken(uid, { header: { alg: 'HS512' }, hash: 'sha512' })],
    ['good but for its last character', makeToken(uid).slice(0, -1)],
  ]
}

const badKeys: readonly (readonly [title: string, key: string])[] = [
  ['an empty one', ''],
  ['256 characters', 'k'.repeat(256)],
  ['blanks inside', 'a key'],
  ['letters beyond ASCII', 'schlüssel'],
]

/** Tests the refusal of malformed requests; both entry points must give the same answers. */
export function addToCartInputContract(entryPoint: EntryPoint): void {
  describe(`add to cart through ${entryPoint.name}, wrong input`, () => {
    let app: TestApp
    let sale: TestSale
    let shopper: TestShopper
    const send = (request: AddToCartCall) =>
      sendThrough(app.call, entryPoint, { token: shopper.token, ...request })

    beforeAll(async () => {
      app = await startApp()
      sale = await createSale(app.call, { stock: 10 })
      shopper = await createShopper(app.call)
    })
    afterAll(async () => {
      expect(await readStock(app.call, sale.productId)).toMatchObject({ available: 10, held: 0 })
      await app.stop()
    })

    it.each(unreadableBodies('{"flashSaleId":1,"productId":1}'))(
      'refuses a body of %s with %i %s',
      async (_title, status, code, request) => {
        expectProblem(await send(request), status, code)
      },
    )

    it('refuses a body that does not fit the shape, saying which field', async () => {
      for (const [title, body] of misshapenBodies(sale)) {
        const answer = await send({ body, headers: body === undefined ? {} : json })
        expect([title, answer.status]).toEqual([title, 400])
        expectProblem(answer, 400, 'validation_failed')
        expect(String(answer.body['detail'])).toMatch(/^body/)
      }
    })

    it('refuses every token but a shopper’s own, and no token', async () => {
      for (const [title, token] of [...badTokens(shopper), ['none at all', undefined] as const]) {
        const answer = await sendThrough(app.call, entryPoint, { token, body: sale })
        expect([title, answer.status]).toEqual([title, 401])
        expectProblem(answer, 401, 'unauthenticated')
      }
    })

    it('refuses credentials of another scheme', async () => {
      for (const authorization of [
        'Basic dTpw',
        shopper.token,
        'Bearer',
        `Bearer ${shopper.token} x`,
      ]) {
        const answer = await sendThrough(app.call, entryPoint, {
          body: sale,
          headers: { authorization },
        })
        expectProblem(answer, 401, 'unauthenticated')
      }
    })

    it.each(badKeys)('refuses an Idempotency-Key of %s', async (_title, key) => {
      // fetch encodes headers in latin1, as HTTP does.
      const answer = await send({ body: sale, key })
      expectProblem(answer, 400, 'validation_failed')
      expect(answer.body['detail']).toContain('Idempotency-Key')
    })

    it('sends the Idempotency-Key and the X-Request-Id back with a problem', async () => {
      const headers = { 'x-request-id': 'trace.me-42' }
      const answer = await send({ body: { ...sale, quantity: 0 }, key: 'mine', headers })
      expectProblem(answer, 400, 'validation_failed')
      expect(answer.headers.get('idempotency-key')).toBe('mine')
      expect(answer.headers.get('x-request-id')).toBe('trace.me-42')
    })

    it('makes a request id where the given one is not sane', async () => {
      const headers = { 'x-request-id': 'a b<script>' }
      const answer = await send({ body: {}, headers })
      expect(answer.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/)
    })
  })
}
