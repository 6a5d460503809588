import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { expectProblem } from '../../../test/support/expect-problem.ts'
import { expectAuditClean, readStock } from '../../../test/support/expectations.ts'
import type { Answer } from '../../../test/support/http.ts'
import { operationsOf, type Operation } from '../../../test/support/open-api.ts'
import { bodyFor, nameOf, plausibleIds, urlFor } from '../../../test/support/requests.ts'
import { createSale } from '../../../test/support/sale.ts'
import { startApp, testAdminToken, type TestApp } from '../../../test/support/start-app.ts'
import { Sqlite } from '../../db/sqlite/driver.ts'

let app: TestApp
/** Every admin operation that changes something. */
let changing: readonly Operation[]

beforeAll(async () => {
  app = await startApp()
  const document = (await app.call('GET', '/openapi.json')).body
  changing = operationsOf(document).filter(
    ({ access, method }) => access === 'admin' && ['POST', 'PATCH'].includes(method),
  )
})
afterAll(async () => {
  await expectAuditClean(app.call)
  await app.stop()
})

function send(method: string, path: string, body: unknown, key?: string): Promise<Answer> {
  const headers = key === undefined ? {} : { 'idempotency-key': key }
  return app.call(method, path, { token: testAdminToken, body, headers })
}

/** Returns everything a client sees of an answer, except the header of a replay. */
function seen({ status, text, headers }: Answer) {
  const of = (name: string) => headers.get(name)
  return [status, of('location'), of('content-type'), of('idempotency-key'), text]
}

/** Every row of what operators change. */
function rows(): unknown {
  const raw = new Sqlite(app.databasePath, { readonly: true })
  const tables = ['flash_sales', 'flash_sale_details', 'products', 'stock', 'users']
  const found = tables.map((table) => raw.prepare(`select * from ${table}`).all())
  raw.close()
  return found
}

describe('every admin POST and PATCH', () => {
  it('takes an Idempotency-Key', () => {
    expect(changing.length).toBeGreaterThanOrEqual(9)
    for (const { method, path, parameters } of changing) {
      const names = parameters.map(({ name }) => name)
      expect([method, path, names]).toEqual([
        method,
        path,
        expect.arrayContaining(['idempotency-key']),
      ])
    }
  })

  it('is done once with one key, and answers the repeated request as the first', async () => {
    await createSale(app.call)
    for (const operation of changing) {
      const { method } = operation
      // Its repeated answer has new tokens; a test below says what stays.
      if (operation.path === '/v1/admin/users/batch') continue
      // A product that is in no sale yet, for the routes that put one there.
      const product = await send('POST', '/v1/admin/products', {
        name: 'Earbuds',
        priceMinor: 1,
        currency: 'EUR',
        stock: 1,
      })
      const body = bodyFor(operation)
      const own = body !== undefined && 'productId' in body ? { productId: product.body['id'] } : {}
      const url = urlFor(operation, plausibleIds(operation))
      const ask = () =>
        send(
          method,
          url,
          body && { ...body, ...own },
          `once ${nameOf(operation)}`.replace(/ /g, '-'),
        )
      const first = await ask()
      const before = rows()
      const second = await ask()
      expect(seen(second)).toEqual(seen(first))
      const isDone = first.status < 300
      expect(first.headers.get('idempotency-replayed')).toBeNull()
      expect(second.headers.get('idempotency-replayed')).toBe(isDone ? 'true' : null)
      expect(rows()).toEqual(before)
    }
  })

  it('refuses a key that is not 1 to 255 visible ASCII characters', async () => {
    for (const operation of changing) {
      const url = urlFor(operation, plausibleIds(operation))
      for (const key of ['', 'a b', 'ü', 'x'.repeat(256)]) {
        const answer = await send(operation.method, url, bodyFor(operation), key)
        expectProblem(answer, 400, 'validation_failed')
        expect(answer.body['detail']).toContain('Idempotency-Key')
      }
    }
  })
})

describe('the key of an operator', () => {
  const adjust = (productId: number, adjustBy: number, key?: string) =>
    send('PATCH', `/v1/admin/products/${productId}/stock`, { adjustBy, reason: 'found' }, key)

  it('adds five units once, however often and however fast it is sent', async () => {
    const { productId } = await createSale(app.call, { stock: 10 })
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => adjust(productId, 5, 'five')),
    )
    expect(await readStock(app.call, productId)).toMatchObject({ allotment: 15, available: 15 })
    expect(new Set(answers.map(({ text }) => text)).size).toBe(1)
    const first = answers.filter(({ headers }) => !headers.has('idempotency-replayed'))
    expect(first).toHaveLength(1)
  })

  it('is refused to another body and to another product, and nothing is done', async () => {
    const { productId } = await createSale(app.call, { stock: 10 })
    const other = await createSale(app.call, { stock: 10 })
    await adjust(productId, 5, 'bound')
    expectProblem(await adjust(productId, 6, 'bound'), 422, 'idempotency_key_reused')
    expectProblem(await adjust(other.productId, 5, 'bound'), 422, 'idempotency_key_reused')
    expect(await readStock(app.call, productId)).toMatchObject({ allotment: 15 })
    expect(await readStock(app.call, other.productId)).toMatchObject({ allotment: 10 })
  })

  it('may try again what was refused', async () => {
    const { productId } = await createSale(app.call, { stock: 1 })
    expectProblem(await adjust(productId, -2, 'again'), 409, 'stock_out_of_bounds')
    await adjust(productId, 5)
    const second = await adjust(productId, -2, 'again')
    expect([second.status, second.body['available']]).toEqual([200, 4])
    expect(second.headers.get('idempotency-replayed')).toBeNull()
  })

  it('does not pause a sale again that was resumed since', async () => {
    const { flashSaleId } = await createSale(app.call)
    const path = `/v1/admin/flash-sales/${flashSaleId}`
    const paused = await send('POST', `${path}/pause`, undefined, 'lunch')
    await send('POST', `${path}/resume`, undefined)
    const again = await send('POST', `${path}/pause`, undefined, 'lunch')
    expect(seen(again)).toEqual(seen(paused))
    const { body } = await app.call('GET', `/v1/flash-sales/${flashSaleId}`)
    expect(body['status']).toBe('active')
  })

  it('is forgotten with the request it came with: without a key every request is done', async () => {
    const { productId } = await createSale(app.call, { stock: 10 })
    await adjust(productId, 5)
    const second = await adjust(productId, 5)
    expect(second.headers.get('idempotency-key')).toBeNull()
    expect(await readStock(app.call, productId)).toMatchObject({ allotment: 20 })
  })
})

describe('a batch of users with a key', () => {
  interface Made {
    readonly users: readonly { readonly id: number; readonly token: string }[]
  }
  const batch = async (count: number, key: string) => {
    const answer = await send('POST', '/v1/admin/users/batch', { count }, key)
    return { answer, users: (answer.body as unknown as Made).users }
  }
  const idsOf = ({ users }: Made) => users.map(({ id }) => id)

  it('is made once; a repeated request gets the same users, with tokens that are good', async () => {
    const first = await batch(450, 'bots')
    const second = await batch(450, 'bots')
    expect(first.users).toHaveLength(450)
    expect(idsOf(second)).toEqual(idsOf(first))
    expect(first.answer.headers.get('idempotency-replayed')).toBeNull()
    expect(second.answer.headers.get('idempotency-replayed')).toBe('true')
    for (const { token } of [second.users[0]!, second.users[449]!]) {
      expect((await app.call('GET', '/v1/cart', { token })).status).toBe(200)
    }
    expectProblem((await batch(449, 'bots')).answer, 422, 'idempotency_key_reused')
  })

  it('is made once when it is asked for twice at the same time', async () => {
    const [one, other] = await Promise.all([batch(450, 'twins'), batch(450, 'twins')])
    expect(idsOf(one)).toEqual(idsOf(other))
    const replayed = [one, other].map(({ answer }) => answer.headers.get('idempotency-replayed'))
    expect(replayed.sort()).toEqual([null, 'true'].sort())
  })

  it('keeps no token in the database', async () => {
    const { users } = await batch(3, 'secret')
    const raw = new Sqlite(app.databasePath, { readonly: true })
    const kept = raw.prepare('select body from operator_requests').all() as { body: string }[]
    raw.close()
    expect(kept.length).toBeGreaterThan(0)
    for (const { token } of users) {
      for (const { body } of kept) expect(body).not.toContain(token)
    }
    for (const { body } of kept) expect(body).not.toContain('token')
  })
})
