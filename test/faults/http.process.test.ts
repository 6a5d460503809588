import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { buy, tally } from '../support/buyers.ts'
import { expectAuditClean } from '../support/expectations.ts'
import type { Answer } from '../support/http.ts'
import { startLivezProbe, type LivezProbe } from '../support/livez-probe.ts'
import { openRaw, parseRaw } from '../support/raw-http.ts'
import { createSale, createShopper, createShoppers, type TestSale } from '../support/sale.ts'
import { invoiced } from '../support/shopping.ts'
import { startProcess, untilReady, type TestProcess } from '../support/start-process.ts'
import { createTemporaryFolder, type TemporaryFolder } from '../support/temporary-folder.ts'

/**
 * Tests F19: malformed requests of every kind at the same time, to a real process that sells
 * meanwhile.
 */
/** Twelve times the longest that was measured on a quiet machine: a busy one keeps the program waiting too. */
const stallMsMax = 3_000
/** Headers have 5 s and bodies 15 s; Node's own limits are a minute and five. */
const headersWithinMs = 40_000
const bodyWithinMs = 60_000
const depth = 4_000

describe('F19: malformed HTTP', () => {
  let folder: TemporaryFolder
  let shop: TestProcess
  let sale: TestSale
  let token: string
  let invoiceId: string
  let probe: LivezProbe

  beforeAll(async () => {
    folder = createTemporaryFolder()
    shop = await startProcess({
      DATABASE_PATH: `${folder.path}/holdfast.db`,
      PAYMENT_SIMULATOR_PATH: `${folder.path}/payment-simulator.db`,
    })
    await untilReady(shop)
    sale = await createSale(shop.call, { stock: 20 })
    const buyer = await invoiced(shop.call, sale)
    ;({ token } = await createShopper(shop.call))
    invoiceId = buyer.invoiceId
    probe = await startLivezProbe(shop.url)
    probe.begin()
  })

  afterAll(async () => {
    const longestMs = await probe.stop()
    await expectAuditClean(shop.call)
    expect(await shop.stop()).toBe(0)
    folder.remove()
    expect(longestMs).toBeLessThan(stallMsMax)
  })

  const routes = () => ['/v1/cart/items', '/v1/checkout', `/v1/invoices/${invoiceId}/pay`]
  const bodies: readonly (readonly [string, number, (good: string) => string | Uint8Array])[] = [
    ['half a document', 400, (good) => good.slice(0, -1)],
    ['no document', 400, () => 'price=1'],
    ['bytes that are no text', 400, () => new Uint8Array([0xff, 0xfe, 0, 0x80])],
    ['a list', 400, (good) => `[${good}]`],
    ['null', 400, () => 'null'],
    ['brackets in brackets', 400, () => '['.repeat(depth) + ']'.repeat(depth)],
    ['objects in objects', 400, () => `${'{"a":'.repeat(2_000)}1${'}'.repeat(2_000)}`],
    ['an unknown key', 400, having('"colour":"red"')],
    ['a prototype', 400, having('"__proto__":{"quantity":99}')],
    ['a constructor', 400, having('"constructor":{"prototype":{}}')],
    ['a wrong type', 400, () => '{"flashSaleId":"1","productId":{},"paymentMethod":7}'],
    ['1 MiB', 413, having(`"x":"${'x'.repeat(1024 * 1024)}"`)],
  ]

  it.concurrent.each(bodies)('%s is %i on every route with a body', async (_, expected, make) => {
    const goods = [JSON.stringify({ ...sale, quantity: 1 }), '{}', '{"paymentMethod":"pm_ok"}']
    const answers = await Promise.all(
      routes().map((path, index) =>
        shop.call('POST', path, { token, body: make(goods[index] ?? '{}') }),
      ),
    )
    for (const answer of answers) expectProblem(answer, [expected])
  })

  it.concurrent('another type of content is 415', async () => {
    const headers = { 'content-type': 'text/xml' }
    for (const path of routes()) {
      const answer = await shop.call('POST', path, { token, body: '<a/>', headers })
      expectProblem(answer, [415])
    }
  })

  it.concurrent('headers that come too slowly are 408', async () => {
    const ms = await timeout('GET /v1/flash-sales HTTP/1.1\r\nhost: shop\r\n')
    expect(ms).toBeLessThan(headersWithinMs)
  })

  it.concurrent.each(['/v1/cart/items', '/v1/checkout'])(
    'a body that comes too slowly is 408: %s',
    async (path) => {
      const head = [
        `POST ${path} HTTP/1.1`,
        'host: shop',
        `authorization: Bearer ${token}`,
        'content-type: application/json',
        'content-length: 100',
        '',
        '{"flashSaleId":',
      ]
      expect(await timeout(head.join('\r\n'))).toBeLessThan(bodyWithinMs)
    },
  )

  it.concurrent('sells meanwhile as if nothing were', async () => {
    const shoppers = await createShoppers(shop.call, 30)
    const attempts = await Promise.all(shoppers.map((shopper) => buy(shop.call, sale, shopper)))
    expect(tally(attempts)).toEqual({ held: 19, sold_out: 11 })
  })

  /** Sends a part of a request and waits for the refusal. Returns the ms it took. */
  async function timeout(part: string): Promise<number> {
    const connection = await openRaw(shop.url)
    const startedAt = performance.now()
    connection.send(part)
    const { status, head, body } = parseRaw(await connection.received())
    expect([status, body['code']]).toEqual([408, 'request_timeout'])
    expect(head).toContain('application/problem+json')
    return performance.now() - startedAt
  }
})

/** Adds a key to the JSON text, so that keys such as `__proto__` reach the server. */
function having(pair: string): (good: string) => string {
  return (good) => `{${pair}${good === '{}' ? '' : ','}${good.slice(1)}`
}

function expectProblem({ status, headers, body }: Answer, expected: readonly number[]): void {
  expect(expected).toContain(status)
  expect(headers.get('content-type')).toBe('application/problem+json')
  expect(body).toMatchObject({ status })
}
