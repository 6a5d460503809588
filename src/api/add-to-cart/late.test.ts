import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  entryPoints,
  sendThrough,
  fastPathEntry,
  type EntryPoint,
} from '../../../test/support/entry-points.ts'
import { expectProblem } from '../../../test/support/expect-problem.ts'
import { readStock } from '../../../test/support/expectations.ts'
import type { Answer, Call } from '../../../test/support/http.ts'
import { lockDatabase, type DatabaseLock } from '../../../test/support/lock-database.ts'
import {
  createSale,
  createShoppers,
  type TestSale,
  type TestShopper,
} from '../../../test/support/sale.ts'
import { startApp, type TestApp } from '../../../test/support/start-app.ts'
import { until } from '../../../test/support/until.ts'

/**
 * In these tests another process writes all the time, so that the worker cannot decide anything.
 */
describe('add to cart while the worker is held back', () => {
  let app: TestApp
  let sale: TestSale
  let shoppers: readonly TestShopper[]
  let lock: DatabaseLock

  beforeEach(async () => {
    app = await startApp({ environment: { ADD_TO_CART_WAIT_MS: '25' } })
    sale = await createSale(app.call, { stock: 1 })
    shoppers = await createShoppers(app.call, 3)
    lock = lockDatabase(app.databasePath)
  })
  afterEach(async () => {
    lock.release()
    await app.stop()
  })

  const shopper = (index: number): TestShopper => shoppers[index]!
  const send = (index: number, entryPoint: EntryPoint, key?: string): Promise<Answer> =>
    sendThrough(app.call, entryPoint, { token: shopper(index).token, body: sale, key })
  const ask = (call: Call, url: string, index = 0): Promise<Answer> =>
    call('GET', url, { token: shopper(index).token })

  async function settled(call: Call, url: string, index = 0): Promise<Answer> {
    const isSettled = async () => String((await ask(call, url, index)).body['status']) !== 'pending'
    await until(isSettled, 5_000, 'an end of the waiting')
    return ask(call, url, index)
  }

  it.each(entryPoints)('answers 202 and where to ask, through $name', async (entryPoint) => {
    const answer = await send(0, entryPoint, 'patient')
    const url = answer.headers.get('location') ?? ''
    expect(answer.status).toBe(202)
    expect(answer.headers.get('content-type')).toBe('application/json')
    expect(answer.headers.get('retry-after')).toMatch(/^[123]$/)
    expect(answer.headers.get('idempotency-key')).toBe('patient')
    const requestId = /^\/v1\/cart\/requests\/([0-9a-f-]{36})$/.exec(url)?.[1]
    expect(answer.body).toEqual({ requestId, status: 'pending', statusUrl: url })

    const status = await ask(app.call, url)
    expect(status.status).toBe(200)
    expect(status.headers.get('retry-after')).toMatch(/^[123]$/)
    expect(status.body).toEqual({ requestId, status: 'pending' })
    expectProblem(await ask(app.call, url, 1), 404, 'not_found')

    lock.release()
    const held = await settled(app.call, url)
    expect(held.body).toMatchObject({ requestId, status: 'held', reservation: { quantity: 1 } })
    expectProblem(await ask(app.call, url, 1), 404, 'not_found')
    let again = await send(0, entryPoint, 'patient')
    // On a busy machine the answer may take longer than the 25 ms of the wait.
    const isAnswered = async () => {
      if (again.status === 202) again = await send(0, entryPoint, 'patient')
      return again.status !== 202
    }
    await until(isAnswered, 5_000, 'an answer in time')
    expect([again.status, again.headers.get('idempotency-replayed')]).toEqual([201, 'true'])
    expect(again.body['reservation']).toEqual(held.body['reservation'])
  })

  it('tells every shopper the end of it, on every node', async () => {
    const answers = await Promise.all([0, 1, 2].map((index) => send(index, fastPathEntry)))
    expect(answers.map(({ status }) => status)).toEqual([202, 202, 202])
    lock.release()
    const environment = { DATABASE_PATH: app.databasePath }
    const other = await startApp({ environment })
    try {
      const urls = answers.map(({ headers }) => headers.get('location') ?? '')
      const ends = await Promise.all(urls.map((url, index) => settled(app.call, url, index)))
      const codes = ends
        .map(({ body }) => String('code' in body ? body['code'] : body['status']))
        .sort()
      expect(codes).toEqual(['held', 'sold_out', 'sold_out'])
      for (const [index, url] of urls.entries()) {
        const there = await settled(other.call, url, index)
        expect(there.body).toEqual(ends[index]?.body)
        expectProblem(await ask(other.call, url, (index + 1) % 3), 404, 'not_found')
      }
      expect(await readStock(app.call, sale.productId)).toMatchObject({ available: 0, held: 1 })
    } finally {
      await other.stop()
    }
  })

  it('has nothing to say of a request it never saw', async () => {
    const url = '/v1/cart/requests/0197a1b2-0000-7000-8000-000000000001'
    expectProblem(await ask(app.call, url), 404, 'not_found')
    expectProblem(await ask(app.call, '/v1/cart/requests/1'), 400, 'validation_failed')
  })

  it('answers one key asked twice at once with one status resource', async () => {
    const [first, second] = await Promise.all([
      send(0, fastPathEntry, 'k'),
      send(0, fastPathEntry, 'k'),
    ])
    expect([first.status, second.status]).toEqual([202, 202])
    expect(second.text).toBe(first.text)
    expect(second.headers.get('idempotency-replayed')).toBeNull()
  })

  it('tells a retry that was late as well of the hold its key has', async () => {
    const first = await send(0, fastPathEntry, 'stubborn')
    const second = await send(0, fastPathEntry, 'stubborn')
    expect(second.status).toBe(202)
    lock.release()
    const url = first.headers.get('location') ?? ''
    const retryUrl = second.headers.get('location') ?? ''
    const held = await settled(app.call, url)
    const retried = await settled(app.call, retryUrl)
    expect(retried.body['reservation']).toEqual(held.body['reservation'])
    expect(await readStock(app.call, sale.productId)).toMatchObject({ available: 0, held: 1 })
  })
})

describe.each(entryPoints)('add to cart through $name, too much of it', (entryPoint) => {
  it('refuses whoever comes when too many are waiting, until some have left', async () => {
    const app = await startApp({ environment: { PENDING_REPLIES_MAX: '2' } })
    const sale = await createSale(app.call)
    const [first, second, third] = await createShoppers(app.call, 3)
    const send = (shopper: TestShopper | undefined, key?: string) =>
      sendThrough(app.call, entryPoint, { token: shopper?.token, body: sale, key })
    const lock = lockDatabase(app.databasePath)
    try {
      const waiting = [send(first), send(second)]
      const full = async () =>
        (await app.call('GET', '/metrics')).text.includes('\nholdfast_pending_replies 2\n')
      await until(full, 2_000, 'two waiting')
      const refused = await send(third, 'later')
      expectProblem(refused, 503, 'overloaded')
      expect(refused.headers.get('idempotency-key')).toBe('later')
      lock.release()
      expect((await Promise.all(waiting)).map(({ status }) => status)).toEqual([201, 201])
      expect((await send(third, 'later')).status).toBe(201)
    } finally {
      lock.release()
      await app.stop()
    }
  })

  it('refuses a shopper above the rate, and no one else', async () => {
    const app = await startApp({ environment: { ADD_TO_CART_USER_RATE: '0.01' } })
    try {
      const sale = await createSale(app.call)
      const [eager, other] = await createShoppers(app.call, 2)
      const send = (shopper: TestShopper | undefined, body: unknown, key?: string) =>
        sendThrough(app.call, entryPoint, { token: shopper?.token, body, key })
      expectProblem(await send(eager, {}), 400, 'validation_failed')
      expect((await send(eager, sale)).status).toBe(201)
      const refused = await send(eager, sale, 'eager')
      expectProblem(refused, 429, 'rate_limited')
      expect(refused.headers.get('idempotency-key')).toBe('eager')
      expect((await send(other, sale)).status).toBe(201)
      expect(await readStock(app.call, sale.productId)).toMatchObject({ held: 2 })
    } finally {
      await app.stop()
    }
  })
})
