import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { signatureHeader, signWebhook } from '../../payments/webhook.ts'
import { expectProblem } from '../../../test/support/expect-problem.ts'
import { createSale } from '../../../test/support/sale.ts'
import { invoiced, pay } from '../../../test/support/shopping.ts'
import { startApp, testAdminToken, type TestApp } from '../../../test/support/start-app.ts'

const secret = 'webhook-secret-of-the-tests'

let app: TestApp
let gateway: Server

beforeEach(async () => {
  gateway = createServer((_request, response) => response.writeHead(429).end('{}'))
  gateway.listen(0, '127.0.0.1')
  await once(gateway, 'listening')
  const url = `http://127.0.0.1:${(gateway.address() as AddressInfo).port}`
  const environment = { PAYMENT_PROVIDER_URL: url, PAYMENT_WEBHOOK_SECRET: secret }
  app = await startApp({ environment })
})
afterEach(async () => {
  await app.stop()
  gateway.close()
})

interface Begun {
  readonly invoice: { readonly status: string }
  readonly payment: { readonly id: string; readonly status: string }
}

describe('while the provider answers what nobody understands', () => {
  it('a payment stays open, its webhook is wanted again, and the audit says what it found', async () => {
    const { shopper, invoiceId } = await invoiced(app.call, await createSale(app.call))
    const paid = await pay(app.call, shopper, invoiceId)
    const { invoice, payment } = paid.body as unknown as Begun
    expect(paid.status).toBe(202)
    expect([invoice.status, payment.status]).toEqual(['paying', 'authorizing'])

    const createdAt = new Date().toISOString()
    const event = { id: 'evt_1', type: 'payment.captured', paymentId: payment.id, createdAt }
    const body = JSON.stringify(event)
    const headers = {
      'content-type': 'application/json',
      [signatureHeader]: signWebhook(secret, body, Date.now()),
    }
    const heard = await app.call('POST', '/v1/webhooks/payments', { body, headers })
    expectProblem(heard, 503, 'provider_unavailable')

    const { status, body: report } = await app.call('GET', '/v1/admin/audit', {
      token: testAdminToken,
    })
    expect(status).toBe(200)
    expect(report).toMatchObject({
      invariants: expect.arrayContaining([expect.objectContaining({ id: 'I16' })]) as unknown,
      unchecked: ['I12 and I13 at the provider: the payment provider: status 429'],
    })
  })
})
