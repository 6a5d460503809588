import { afterEach, describe, expect, it } from 'vitest'
import { expectProblem } from '../../../test/support/expect-problem.ts'
import { createFakeClock, type FakeClock } from '../../../test/support/fake-clock.ts'
import type { Answer, CallOptions } from '../../../test/support/http.ts'
import { createShoppers } from '../../../test/support/sale.ts'
import { startApp, testAdminToken, type TestApp } from '../../../test/support/start-app.ts'
import { signatureHeader, signWebhook } from '../../payments/webhook.ts'
import { networkOf } from './caller-limit.ts'

let app: TestApp
let clock: FakeClock
let stops: (() => Promise<void>)[] = []
afterEach(async () => {
  await Promise.all(stops.map((stop) => stop()))
  stops = []
})

async function start(environment: Readonly<Record<string, string>>): Promise<void> {
  clock = createFakeClock()
  app = await startApp({ environment, clock })
  stops.push(app.stop)
}

async function ask(count: number, options: CallOptions, path = '/v1/cart'): Promise<Answer[]> {
  const answers: Answer[] = []
  while (answers.length < count) answers.push(await app.call('GET', path, options))
  return answers
}
const refused = (answers: readonly Answer[]) => answers.filter(({ status }) => status === 429)

describe('the rate of a shopper', () => {
  it('is theirs alone, is told with Retry-After, and comes back with time', async () => {
    await start({ SHOPPER_RATE: '2' })
    const [ann, bob] = await createShoppers(app.call, 2)
    const [token, other] = [ann!.token, bob!.token]
    // The first request makes the token known and counts for the address.
    expect(refused(await ask(5, { token }))).toEqual([])
    expectProblem((await ask(1, { token }))[0]!, 429, 'rate_limited')
    expect(refused(await ask(5, { token: other }))).toEqual([])
    clock.advance(1_000)
    expect(refused(await ask(3, { token }))).toHaveLength(1)
  })

  it('does not count add-to-cart, at neither entry point, nor health and metrics', async () => {
    await start({ SHOPPER_RATE: '1', ADDRESS_RATE: '1' })
    const [ann] = await createShoppers(app.call, 1)
    const { token } = ann!
    expect(refused(await ask(4, { token }))).toHaveLength(1)
    for (const path of ['/v1/cart/items', '/v1/cart/items/']) {
      for (let round = 0; round < 5; round += 1) {
        expect((await app.call('POST', path, { token, body: {} })).status).toBe(400)
      }
    }
    for (const path of ['/livez', '/readyz', '/metrics']) {
      expect(refused(await ask(5, { token }, path))).toEqual([])
      expect((await app.call('HEAD', path)).status).toBe(200)
    }
  })

  it('is unlimited by default', async () => {
    await start({})
    const [ann] = await createShoppers(app.call, 1)
    expect(refused(await ask(300, { token: ann!.token }))).toEqual([])
    expect(refused(await ask(300, {}))).toEqual([])
  })
})

describe('the rate of an address', () => {
  it('counts whoever is not known, with any token, on any path', async () => {
    await start({ ADDRESS_RATE: '2' })
    const answers = [
      ...(await ask(2, {}, '/v1/flash-sales')),
      ...(await ask(1, { token: 'wrong' }, '/v1/admin/invoices')),
      ...(await ask(1, {}, '/nowhere')),
    ]
    expect(refused(answers)).toEqual([])
    for (const path of ['/v1/flash-sales', '/v1/admin/invoices', '/nowhere', '/docs']) {
      expectProblem((await ask(1, {}, path))[0]!, 429, 'rate_limited')
    }
  })

  it('is not counted for operators, and guessing their token is slow', async () => {
    await start({ ADDRESS_RATE: '1' })
    const path = '/v1/admin/invoices'
    expect(refused(await ask(3, { token: 'guess' }, path))).toHaveLength(1)
    expect(refused(await ask(20, { token: testAdminToken }, path))).toEqual([])
  })

  it('believes only the proxies that are trusted', async () => {
    const from = (address: string) => ({ headers: { 'x-forwarded-for': address } })
    const path = '/v1/flash-sales'
    await start({ ADDRESS_RATE: '1' })
    await ask(2, from('203.0.113.1'), path)
    expect(refused(await ask(1, from('203.0.113.2'), path))).toHaveLength(1)
    await start({ ADDRESS_RATE: '1', TRUSTED_PROXIES: '1' })
    await ask(2, from('203.0.113.1'), path)
    expect(refused(await ask(1, from('203.0.113.1'), path))).toHaveLength(1)
    expect(refused(await ask(1, from('203.0.113.2'), path))).toEqual([])
    // Addresses that the client put in front of the proxy's entry are ignored.
    expect(refused(await ask(1, from('198.51.100.9, 203.0.113.1'), path))).toHaveLength(1)
  })
})

describe('the provider’s webhooks', () => {
  const secret = 'webhook-secret-of-the-tests'
  const body = JSON.stringify({ id: 'evt_1', type: 'payment.captured', paymentId: 'p1' })

  const post = (signature: string, path = '/v1/webhooks/payments') =>
    app.call('POST', path, {
      body,
      headers: { 'content-type': 'application/json', [signatureHeader]: signature },
    })

  it('are not counted for the address they come from, however many others come from it', async () => {
    await start({ ADDRESS_RATE: '1', PAYMENT_WEBHOOK_SECRET: secret })
    expect(refused(await ask(5, {}, '/v1/flash-sales'))).toHaveLength(3)
    for (let round = 0; round < 10; round += 1) {
      expectProblem(await post('t=1,v1=00'), 400, 'webhook_signature_invalid')
      expect((await post(signWebhook(secret, body, clock.now()))).status).toBe(200)
    }
    // Other methods and other spellings of the path are no webhooks.
    expect(refused(await ask(1, {}, '/v1/webhooks/payments'))).toHaveLength(1)
    expectProblem(await post('', '/V1/webhooks/payments'), 429, 'rate_limited')
  })
})

describe('an address', () => {
  it.each([
    ['192.0.2.7', '192.0.2.7'],
    ['::ffff:192.0.2.7', '192.0.2.7'],
    ['::FFFF:c000:0207', '192.0.2.7'],
    ['0:0:0:0:0:ffff:192.0.2.7', '192.0.2.7'],
    ['64:ff9b::192.0.2.7', '64:ff9b:0:0'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
    ['2001:db8:1:2::9', '2001:db8:1:2'],
    ['2001:0DB8::1', '2001:db8:0:0'],
    ['::1', '0:0:0:0'],
    ['fe80::1%eth0', 'fe80:0:0:0'],
    ['', ''],
  ])('%s counts as %s', (address, network) => {
    expect(networkOf(address)).toBe(network)
  })
})
