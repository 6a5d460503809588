import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { systemClock } from '../../clock.ts'
import {
  sendThrough,
  fastPathEntry,
  type EntryPoint,
  type AddToCartCall,
} from '../../../test/support/entry-points.ts'
import { expectProblem } from '../../../test/support/expect-problem.ts'
import { readStock } from '../../../test/support/expectations.ts'
import type { Answer } from '../../../test/support/http.ts'
import {
  createSale,
  createShopper,
  createShoppers,
  type TestSale,
  type TestShopper,
} from '../../../test/support/sale.ts'
import { checkOut, invoiceIdOf, pay } from '../../../test/support/shopping.ts'
import { startApp, testAdminToken, type TestApp } from '../../../test/support/start-app.ts'
import { until } from '../../../test/support/until.ts'

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$/

interface ReservationView {
  readonly id: string
  readonly expiresAt: string
}

const reservationOf = ({ body }: Answer): ReservationView =>
  (body as unknown as { reservation: ReservationView }).reservation

const replayedHeader = ({ headers }: Answer): string | null => headers.get('idempotency-replayed')

/** Tests the answers to valid requests; both entry points must give the same. */
export function addToCartContract(entryPoint: EntryPoint): void {
  describe(`add to cart through ${entryPoint.name}`, () => {
    let app: TestApp
    let shopper: TestShopper
    /** Sales that run already, because a new one waits a quarter of a second for its consumer. */
    let running: TestSale[]
    const send = (request: AddToCartCall) =>
      sendThrough(app.call, entryPoint, { token: shopper.token, ...request })

    async function admin(path: string, body?: unknown): Promise<Answer> {
      return app.call('POST', `/v1/admin${path}`, { token: testAdminToken, body })
    }

    beforeAll(async () => {
      app = await startApp()
      shopper = await createShopper(app.call)
      running = await Promise.all(Array.from({ length: 16 }, () => createSale(app.call)))
    })
    afterAll(() => app.stop())

    function anySale(): TestSale {
      const sale = running.pop()
      if (sale === undefined) throw new Error('all sales are used')
      return sale
    }

    it('holds a unit and says until when', async () => {
      const sale = await createSale(app.call, { stock: 3, holdSeconds: 120 })
      const before = systemClock.now()
      const answer = await send({ body: sale })
      expect(answer.status).toBe(201)
      expect(answer.headers.get('content-type')).toBe('application/json')
      expect(answer.headers.get('cache-control')).toBe('no-store')
      expect(answer.headers.get('x-content-type-options')).toBe('nosniff')
      expect(answer.headers.get('x-request-id')).toMatch(uuid)
      const { id, expiresAt, ...rest } = reservationOf(answer)
      const price = { unitPriceMinor: 4_999, currency: 'EUR' }
      expect(rest).toEqual({ productId: sale.productId, quantity: 1, ...price, status: 'held' })
      expect(id).toMatch(uuid)
      expect(new Date(expiresAt).toISOString()).toBe(expiresAt)
      expect(Date.parse(expiresAt) - before).toBeGreaterThanOrEqual(120_000)
      expect(Date.parse(expiresAt) - before).toBeLessThan(180_000)
      expect(await readStock(app.call, sale.productId)).toMatchObject({ available: 2, held: 1 })
    })

    it('is served by the entryPoint it is meant for', async () => {
      const answer = await send({ body: {} })
      // Only Express sets this header.
      const policy = answer.headers.get('content-security-policy')
      expect(policy === null).toBe(entryPoint === fastPathEntry)
    })

    it('takes JSON in UTF-8 with a byte order mark, and a charset in quotes', async () => {
      const sale = anySale()
      const body = `\uFEFF${JSON.stringify(sale)}`
      for (const charset of ['', ';charset=UTF-8', '; charset=utf-8', '; charset="utf-8"']) {
        const headers = { 'content-type': `application/json${charset}` }
        expect([charset, (await send({ body, headers })).status]).toEqual([charset, 201])
      }
    })

    it('takes a body of exactly 16 kB', async () => {
      const body = JSON.stringify(anySale()).padEnd(16 * 1024)
      expect((await send({ body })).status).toBe(201)
    })

    it('refuses what is more than is left, and sells the rest', async () => {
      const sale = await createSale(app.call, { stock: 3 })
      expectProblem(await send({ body: { ...sale, quantity: 4 } }), 409, 'sold_out')
      expect((await send({ body: { ...sale, quantity: 3 } })).status).toBe(201)
      const answer = await send({ body: sale })
      expectProblem(answer, 409, 'sold_out')
      expect(answer.headers.get('idempotency-key')).toMatch(uuid)
    })

    it('counts the purchase limit in units, over several requests', async () => {
      const sale = await createSale(app.call, { stock: 10, purchaseLimit: 3 })
      expect((await send({ body: { ...sale, quantity: 2 } })).status).toBe(201)
      const tooMany = await send({ body: { ...sale, quantity: 2 } })
      expectProblem(tooMany, 409, 'purchase_limit_reached')
      expect((await send({ body: { ...sale, quantity: 1 } })).status).toBe(201)
      expectProblem(await send({ body: sale }), 409, 'purchase_limit_reached')
      const other = await createShopper(app.call)
      expect((await send({ token: other.token, body: sale })).status).toBe(201)
    })

    it('keeps the purchase limit when one shopper asks twenty times at once', async () => {
      const sale = await createSale(app.call, { stock: 50, purchaseLimit: 2 })
      const answers = await Promise.all(Array.from({ length: 20 }, () => send({ body: sale })))
      expect(answers.filter(({ status }) => status === 201)).toHaveLength(2)
      expect((await readStock(app.call, sale.productId)).held).toBe(2)
    })

    it('sells every unit once to a crowd', async () => {
      const sale = await createSale(app.call, { stock: 7 })
      const crowd = await createShoppers(app.call, 60)
      const answers = await Promise.all(crowd.map(({ token }) => send({ token, body: sale })))
      const codes = answers.map(({ status, body }) =>
        status === 201 ? 'held' : String(body['code']),
      )
      expect(codes.filter((code) => code === 'held')).toHaveLength(7)
      expect(codes.filter((code) => code === 'sold_out')).toHaveLength(53)
      expect(await readStock(app.call, sale.productId)).toMatchObject({ available: 0, held: 7 })
    })

    it('does not mix currencies in one cart', async () => {
      const buyer = await createShopper(app.call)
      const euros = await createSale(app.call, { currency: 'EUR' })
      const dollars = await createSale(app.call, { currency: 'USD' })
      expect((await send({ token: buyer.token, body: euros })).status).toBe(201)
      const answer = await send({ token: buyer.token, body: dollars })
      expectProblem(answer, 409, 'currency_mismatch')
    })

    it('knows neither a sale nor a product it does not have', async () => {
      const sale = anySale()
      const other = anySale()
      const strangers = [
        { ...sale, productId: other.productId },
        { ...sale, productId: Number.MAX_SAFE_INTEGER },
        { ...sale, flashSaleId: 999_999 },
      ]
      for (const body of strangers) expectProblem(await send({ body }), 404, 'product_not_in_sale')
    })

    it('is closed before the sale starts and after it has ended', async () => {
      const soon = await createSale(app.call, { startsAt: '2098-01-01T00:00:00Z' })
      expectProblem(await send({ body: soon }), 409, 'sale_not_open')
      const endsAt = new Date(systemClock.now() + 150).toISOString()
      const short = await createSale(app.call, { endsAt })
      await until(() => systemClock.now() >= Date.parse(endsAt), 1_000)
      expectProblem(await send({ body: short }), 409, 'sale_not_open')
    })

    it('is closed while the sale is paused, open when resumed, closed when cancelled', async () => {
      const sale = anySale()
      await admin(`/flash-sales/${sale.flashSaleId}/pause`)
      expectProblem(await send({ body: sale }), 409, 'sale_not_open')
      await admin(`/flash-sales/${sale.flashSaleId}/resume`)
      expect((await send({ body: sale })).status).toBe(201)
      await admin(`/flash-sales/${sale.flashSaleId}/cancel`)
      expectProblem(await send({ body: sale }), 409, 'sale_not_open')
    })

    it('makes an Idempotency-Key where none came, good for a retry', async () => {
      const sale = anySale()
      const first = await send({ body: sale })
      const key = first.headers.get('idempotency-key') ?? ''
      expect(key).toMatch(uuid)
      const again = await send({ body: sale, key })
      expect([again.status, again.text]).toEqual([201, first.text])
      expect((await readStock(app.call, sale.productId)).held).toBe(1)
    })

    it('answers a repeated key with the same status and body, marked as replayed', async () => {
      const sale = anySale()
      const key = 'Aa0!~'.repeat(51)
      const first = await send({ body: sale, key })
      expect(first.headers.get('idempotency-key')).toBe(key)
      expect(replayedHeader(first)).toBeNull()
      for (let time = 0; time < 3; time += 1) {
        const again = await send({ body: { quantity: 1, ...sale }, key })
        expect([again.status, again.text]).toEqual([first.status, first.text])
        expect(replayedHeader(again)).toBe('true')
        expect(again.headers.get('idempotency-key')).toBe(key)
      }
      expect((await readStock(app.call, sale.productId)).held).toBe(1)
    })

    it('refuses a key that was used for something else', async () => {
      const sale = anySale()
      const other = anySale()
      await send({ body: sale, key: 'once' })
      const reused = await send({ body: { ...sale, quantity: 2 }, key: 'once' })
      expectProblem(reused, 422, 'idempotency_key_reused')
      expect(reused.headers.get('idempotency-key')).toBe('once')
      expectProblem(await send({ body: other, key: 'once' }), 422, 'idempotency_key_reused')
    })

    it('gives every shopper keys of their own', async () => {
      const sale = anySale()
      const other = await createShopper(app.call)
      const mine = await send({ body: sale, key: 'common' })
      const theirs = await send({ token: other.token, body: sale, key: 'common' })
      expect([mine.status, theirs.status]).toEqual([201, 201])
      expect(replayedHeader(theirs)).toBeNull()
      expect(reservationOf(theirs).id).not.toBe(reservationOf(mine).id)
    })

    it('takes many at once with one key as one request', async () => {
      const sale = anySale()
      const answers = await Promise.all(
        Array.from({ length: 10 }, () => send({ body: sale, key: 'double-click' })),
      )
      expect(new Set(answers.map(({ status, text }) => `${status} ${text}`)).size).toBe(1)
      expect(answers.filter((answer) => replayedHeader(answer) === null)).toHaveLength(1)
      expect((await readStock(app.call, sale.productId)).held).toBe(1)
    })

    it('refuses all but one of two different wishes sent at once with one key', async () => {
      const sale = anySale()
      const wishes = [1, 2].map((quantity) => ({ ...sale, quantity }))
      const answers = await Promise.all(wishes.map((body) => send({ body, key: 'either-or' })))
      expect(answers.map(({ status }) => status).sort()).toEqual([201, 422])
      for (const { headers } of answers) expect(headers.get('idempotency-key')).toBe('either-or')
    })

    it('tries again with the same key after sold_out', async () => {
      const sale = await createSale(app.call, { stock: 1 })
      const rival = await createShopper(app.call)
      const taken = await send({ token: rival.token, body: sale })
      expectProblem(await send({ body: sale, key: 'patient' }), 409, 'sold_out')
      await app.call('DELETE', `/v1/cart/items/${reservationOf(taken).id}`, { token: rival.token })
      await until(async () => (await send({ body: sale, key: 'patient' })).status === 201, 1_500)
      expect((await readStock(app.call, sale.productId)).held).toBe(1)
    })

    it('repeats the hold of a key although the product is sold out since', async () => {
      const sale = await createSale(app.call, { stock: 1 })
      const first = await send({ body: sale, key: 'winner' })
      for (let time = 0; time < 3; time += 1) {
        expectProblem(await send({ body: sale }), 409, 'sold_out')
        const again = await send({ body: sale, key: 'winner' })
        expect([again.status, again.text]).toEqual([201, first.text])
        const reused = await send({ body: { ...sale, quantity: 2 }, key: 'winner' })
        expectProblem(reused, 422, 'idempotency_key_reused')
      }
    })

    it('repeats the hold of a key although the sale was paused or cancelled since', async () => {
      const sale = anySale()
      const first = await send({ body: sale, key: 'early' })
      for (const verb of ['pause', 'cancel']) {
        await admin(`/flash-sales/${sale.flashSaleId}/${verb}`)
        const again = await send({ body: sale, key: 'early' })
        expect([again.status, again.text]).toEqual([201, first.text])
        expect(replayedHeader(again)).toBe('true')
      }
    })

    it('repeats the hold of a key as it was told, whatever became of it', async () => {
      const sale = await createSale(app.call, { stock: 5 })
      const buyer = await createShopper(app.call)
      const first = await send({ token: buyer.token, body: sale, key: 'paid-since' })
      const invoice = await checkOut(app.call, buyer)
      await pay(app.call, buyer, invoiceIdOf(invoice))
      const again = await send({ token: buyer.token, body: sale, key: 'paid-since' })
      expect([again.status, again.text]).toEqual([201, first.text])
      expect(await readStock(app.call, sale.productId)).toMatchObject({ held: 0, sold: 1 })
    })
  })
}
