import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { expectProblem } from '../../test/support/expect-problem.ts'
import { expectAuditClean, readStock } from '../../test/support/expectations.ts'
import type { Answer } from '../../test/support/http.ts'
import { readProviderLedger } from '../../test/support/provider-ledger.ts'
import {
  createSale,
  createShopper,
  type TestSale,
  type TestShopper,
} from '../../test/support/sale.ts'
import { invoiced, pay } from '../../test/support/shopping.ts'
import { startApp, type TestApp } from '../../test/support/start-app.ts'

const unknownId = '0197a1b2-0000-7000-8000-000000000001'

let app: TestApp
let sale: TestSale

beforeAll(async () => {
  app = await startApp()
  sale = await createSale(app.call, { stock: 1_000 })
})
afterAll(async () => {
  await expectAuditClean(app.call)
  await app.stop()
})

async function capturesOf(invoiceId: string) {
  const { captured } = await readProviderLedger(app)
  return captured.filter((each) => each.invoiceId === invoiceId)
}

const post = (shopper: TestShopper, invoiceId: string, body: unknown): Promise<Answer> =>
  app.call('POST', `/v1/invoices/${invoiceId}/pay`, { token: shopper.token, body })

describe('pay', () => {
  it('charges the invoice and sells what was held', async () => {
    const before = await readStock(app.call, sale.productId)
    const { shopper, invoiceId } = await invoiced(app.call, sale, 2)
    const answer = await pay(app.call, shopper, invoiceId)
    expect(answer.status).toBe(200)
    expect(answer.headers.get('idempotency-key')).toMatch(/^[0-9a-f-]{36}$/)
    expect(answer.body).toMatchObject({
      invoice: { id: invoiceId, status: 'paid', totalMinor: 9_998 },
      payment: { status: 'captured', amountMinor: 9_998, currency: 'EUR' },
    })
    const { available, sold } = await readStock(app.call, sale.productId)
    expect({ available, sold }).toEqual({ available: before.available - 2, sold: before.sold + 2 })
    const [capture, ...others] = await capturesOf(invoiceId)
    expect(capture).toMatchObject({ amountMinor: 9_998, currency: 'EUR' })
    expect(others).toEqual([])
    const { paymentId } = capture!
    expect(answer.body['payment']).toHaveProperty('id', paymentId)
  })

  it('answers a repeated key byte by byte, and charges nothing', async () => {
    const { shopper, invoiceId } = await invoiced(app.call, sale)
    const first = await pay(app.call, shopper, invoiceId, { key: 'pay' })
    for (let time = 0; time < 3; time += 1) {
      const again = await pay(app.call, shopper, invoiceId, { key: 'pay' })
      expect([again.status, again.text]).toEqual([200, first.text])
      expect(again.headers.get('idempotency-replayed')).toBe('true')
      expect(again.headers.get('idempotency-key')).toBe('pay')
    }
    expect(await capturesOf(invoiceId)).toHaveLength(1)
  })

  it('answers a paid invoice paid again with another key, and charges nothing', async () => {
    const { shopper, invoiceId } = await invoiced(app.call, sale)
    const first = await pay(app.call, shopper, invoiceId)
    for (const method of ['pm_ok', 'pm_declined']) {
      const again = await pay(app.call, shopper, invoiceId, { method })
      expect([again.status, again.body]).toEqual([200, first.body])
    }
    expect(await capturesOf(invoiceId)).toHaveLength(1)
  })

  it.each([
    ['pm_declined', 'card_declined'],
    ['pm_insufficient_funds', 'insufficient_funds'],
    ['pm_nobody_knows', 'unknown_payment_method'],
  ])('says that %s was declined, and takes another method', async (method, code) => {
    const { shopper, invoiceId } = await invoiced(app.call, sale)
    const declined = await pay(app.call, shopper, invoiceId, { method, key: 'first' })
    expectProblem(declined, 402, 'payment_declined')
    expect(declined.body['detail']).toBe(code)
    const replayed = await pay(app.call, shopper, invoiceId, { method, key: 'first' })
    expect([replayed.status, replayed.text]).toEqual([402, declined.text])
    expect(replayed.headers.get('idempotency-replayed')).toBe('true')
    const { token } = shopper
    const shown = await app.call('GET', `/v1/invoices/${invoiceId}`, { token })
    expect(shown.body['status']).toBe('unpaid')
    expect(await capturesOf(invoiceId)).toEqual([])

    expect((await pay(app.call, shopper, invoiceId, { key: 'second' })).status).toBe(200)
    const late = await pay(app.call, shopper, invoiceId, { method, key: 'first' })
    expect([late.status, late.text]).toEqual([402, declined.text])
    expect(await capturesOf(invoiceId)).toHaveLength(1)
  })

  it('refuses a key that was used with another method or for another invoice', async () => {
    const { shopper, invoiceId } = await invoiced(app.call, sale)
    await pay(app.call, shopper, invoiceId, { key: 'mine' })
    const method = await pay(app.call, shopper, invoiceId, { key: 'mine', method: 'pm_declined' })
    expectProblem(method, 422, 'idempotency_key_reused')
    expect(method.headers.get('idempotency-key')).toBe('mine')
    const hold = await app.call('POST', '/v1/cart/items', { token: shopper.token, body: sale })
    expect(hold.status).toBe(201)
    const { body } = await app.call('POST', '/v1/checkout', { token: shopper.token })
    const other = (body as unknown as { invoice: { id: string } }).invoice.id
    const reused = await pay(app.call, shopper, other, { key: 'mine' })
    expectProblem(reused, 422, 'idempotency_key_reused')
    expect(await capturesOf(other)).toEqual([])
  })

  it.each([
    ['one key', () => 'one-key'],
    ['different keys', (index: number) => `key-${index}`],
    ['no keys', () => undefined],
  ])('captures once, fifty times at once with %s', async (_title, key) => {
    const { shopper, invoiceId } = await invoiced(app.call, sale)
    const pays = Array.from({ length: 50 }, (_, index) => {
      const chosen = key(index)
      return pay(app.call, shopper, invoiceId, chosen === undefined ? {} : { key: chosen })
    })
    const answers = await Promise.all(pays)
    const paid = answers.filter(({ status }) => status === 200)
    expect(paid.length).toBeGreaterThanOrEqual(1)
    for (const { status, body } of answers) {
      expect([200, 409]).toContain(status)
      if (status === 409) expect(body['code']).toBe('payment_in_progress')
    }
    if (key(0) === 'one-key') {
      expect(new Set(answers.map(({ text }) => text)).size).toBe(1)
      const fresh = answers.filter(({ headers }) => headers.get('idempotency-replayed') === null)
      expect(fresh).toHaveLength(1)
    }
    expect(await capturesOf(invoiceId)).toHaveLength(1)
  })

  it('takes fifty declined cards at once for one invoice without losing it', async () => {
    const { shopper, invoiceId } = await invoiced(app.call, sale)
    const answers = await Promise.all(
      Array.from({ length: 50 }, () =>
        pay(app.call, shopper, invoiceId, { method: 'pm_declined' }),
      ),
    )
    for (const { status } of answers) expect([402, 409]).toContain(status)
    expect((await pay(app.call, shopper, invoiceId)).status).toBe(200)
  })

  it('takes nothing for what costs nothing', async () => {
    const gift = await createSale(app.call, { priceMinor: 0 })
    const { shopper, invoiceId } = await invoiced(app.call, gift)
    const answer = await pay(app.call, shopper, invoiceId)
    expect([answer.status, answer.body]).toMatchObject([
      200,
      {
        invoice: { status: 'paid', totalMinor: 0 },
        payment: { status: 'captured', amountMinor: 0 },
      },
    ])
    expect(await capturesOf(invoiceId)).toEqual([])
  })

  it('asks the provider for nothing that costs nothing: even a bad card pays it', async () => {
    const gift = await createSale(app.call, { priceMinor: 0 })
    const { shopper, invoiceId } = await invoiced(app.call, gift)
    const answer = await pay(app.call, shopper, invoiceId, { method: 'pm_declined', key: 'free' })
    expect(answer.status).toBe(200)
    const again = await pay(app.call, shopper, invoiceId, { method: 'pm_declined', key: 'free' })
    expect([again.status, again.text]).toEqual([200, answer.text])
  })

  it('knows only invoices that are there and the shopper’s own', async () => {
    const { shopper, invoiceId } = await invoiced(app.call, sale)
    const stranger = await createShopper(app.call)
    expectProblem(await pay(app.call, shopper, unknownId), 404, 'not_found')
    expectProblem(await pay(app.call, stranger, invoiceId), 404, 'not_found')
    expectProblem(await pay(app.call, shopper, '1'), 400, 'validation_failed')
  })

  it('wants a payment method, and nothing else', async () => {
    const { shopper, invoiceId } = await invoiced(app.call, sale)
    const bodies = [
      undefined,
      {},
      [],
      { paymentMethod: '' },
      { paymentMethod: 'x'.repeat(101) },
      { paymentMethod: 'pm ok' },
      { paymentMethod: 'pm_ok\u0000' },
      { paymentMethod: '\ud800' },
      { paymentMethod: 1 },
      { paymentMethod: null },
      { paymentMethod: 'pm_ok', amountMinor: 1 },
      '{"__proto__":{"paymentMethod":"pm_ok"}}',
    ]
    for (const body of bodies) {
      expectProblem(await post(shopper, invoiceId, body), 400, 'validation_failed')
    }
    expect((await pay(app.call, shopper, invoiceId)).status).toBe(200)
  })
})
