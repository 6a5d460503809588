import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { addToCart } from '../../../test/support/buyers.ts'
import { entryPoints, sendThrough } from '../../../test/support/entry-points.ts'
import { lockDatabase } from '../../../test/support/lock-database.ts'
import { createSale, createShopper, createShoppers } from '../../../test/support/sale.ts'
import { checkOut, invoiced, pay } from '../../../test/support/shopping.ts'
import {
  startApp,
  testAdminToken,
  testJwtSecret,
  type TestApp,
} from '../../../test/support/start-app.ts'

/** A node as an operator sees it: its metrics and its log. */
const families = {
  holdfast_add_to_cart_outcomes_total: 'counter',
  holdfast_add_to_cart_duration_seconds: 'histogram',
  holdfast_pending_replies: 'gauge',
  holdfast_reserve_batch_size: 'histogram',
  holdfast_reserve_requests_total: 'counter',
  holdfast_messages_unreadable_total: 'counter',
  holdfast_queue_lag_messages: 'gauge',
  holdfast_gate_closed_products: 'gauge',
  holdfast_sweep_age_seconds: 'gauge',
  holdfast_swept_total: 'counter',
  holdfast_units: 'gauge',
  holdfast_invariant_violations: 'gauge',
  nodejs_eventloop_lag_seconds: 'gauge',
  process_resident_memory_bytes: 'gauge',
}

describe('metrics', () => {
  let app: TestApp

  beforeAll(async () => {
    app = await startApp()
  })
  afterAll(() => app.stop())

  it('are Prometheus text with every documented family', async () => {
    const { status, headers, text } = await app.call('GET', '/metrics')
    expect(status).toBe(200)
    expect(headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4; charset=utf-8$/)
    for (const [name, kind] of Object.entries(families)) {
      expect(text).toContain(`# HELP ${name} `)
      expect(text).toContain(`# TYPE ${name} ${kind}\n`)
    }
  })

  it('count every answer to add to cart once, by what was told, through both entry points', async () => {
    const sale = await createSale(app.call, { stock: 2 })
    const [first, second, third] = await createShoppers(app.call, 3)
    for (const entryPoint of entryPoints) {
      await sendThrough(app.call, entryPoint, { token: first?.token, body: sale, key: 'a' })
      await sendThrough(app.call, entryPoint, { token: second?.token, body: sale, key: 'b' })
      await sendThrough(app.call, entryPoint, { token: third?.token, body: sale })
      await sendThrough(app.call, entryPoint, {
        token: third?.token,
        body: { ...sale, productId: 999 },
      })
    }
    const { text } = await app.call('GET', '/metrics')
    const counted = (outcome: string) =>
      Number(new RegExp(`outcomes_total\\{outcome="${outcome}"\\} (\\d+)`).exec(text)?.[1])
    expect(['held', 'sold_out', 'product_not_in_sale'].map(counted)).toEqual([4, 2, 2])
    expect(text).toMatch(/holdfast_add_to_cart_duration_seconds_count 8\n/)
  })

  it('have no label a client could make up', async () => {
    const { text } = await app.call('GET', '/metrics')
    const labels = [...text.matchAll(/holdfast_\w+\{([^}]*)\}/g)].map(([, some]) => some ?? '')
    expect(labels.length).toBeGreaterThan(10)
    for (const some of labels) expect(some).toMatch(/^[\w=",. +-]*$/)
  })
})

/** Everything a log line could give away. */
const cardNumber = 'pm_canary_4242424242424242'

describe('the log, at its most talkative', () => {
  let app: TestApp
  let lines: string[]

  beforeAll(async () => {
    lines = []
    // No redaction here: nothing may be handed to the logger that would need it.
    const destination = { write: (line: string) => void lines.push(line) }
    app = await startApp({ logger: pino({ level: 'trace' }, destination) })
  })
  afterAll(() => app.stop())

  it('has no line per add to cart, through neither entry point, won or lost', async () => {
    const sale = await createSale(app.call, { stock: 50 })
    const shoppers = await createShoppers(app.call, 100)
    const before = lines.length
    for (const entryPoint of entryPoints) {
      await Promise.all(
        shoppers.map(({ token }) =>
          sendThrough(app.call, entryPoint, { token, body: sale, key: 'k' }),
        ),
      )
    }
    expect(lines.slice(before)).toEqual([])
  })

  it('never shows a token, a secret or a payment method, whatever goes wrong', async () => {
    const sale = await createSale(app.call, { stock: 50 })
    const { shopper, invoiceId } = await invoiced(app.call, sale)
    const { token } = shopper
    await pay(app.call, shopper, invoiceId, { method: cardNumber })
    await app.call('POST', `/v1/invoices/${invoiceId}/pay`, {
      token,
      body: `{"paymentMethod":"${cardNumber}`,
    })
    await app.call('POST', `/v1/invoices/${invoiceId}/pay`, { token, body: { card: cardNumber } })
    await app.call('POST', '/v1/admin/products', { token: testAdminToken, body: {} })
    await app.call('GET', '/v1/nowhere', { token })
    await app.call('GET', '/v1/cart', { headers: { cookie: `session=${token}` } })
    const lock = lockDatabase(app.databasePath)
    const waiting = [addToCart(app.call, sale, shopper), checkOut(app.call, shopper)]
    const paying = pay(app.call, shopper, invoiceId, { method: cardNumber, key: 'another' })
    lock.release()
    await Promise.all([...waiting, paying])

    const log = lines.join('')
    expect(log).toContain('/v1/nowhere')
    expect(log).toContain('/v1/admin/products')
    const secrets = [token, token.split('.')[2] ?? '', testAdminToken, testJwtSecret, cardNumber]
    for (const secret of secrets) expect(log).not.toContain(secret)
    expect(log.toLowerCase()).not.toMatch(/bearer|cookie|authorization/)
  })

  it('ties every line of a request to its id', async () => {
    const shopper = await createShopper(app.call)
    const headers = { 'x-request-id': 'find.me' }
    await app.call('GET', '/v1/cart', { token: shopper.token, headers })
    const line = lines.find((each) => each.includes('find.me')) ?? '{}'
    expect(JSON.parse(line)).toMatchObject({
      req: { id: 'find.me', method: 'GET', url: '/v1/cart' },
      res: { statusCode: 200 },
    })
  })
})
