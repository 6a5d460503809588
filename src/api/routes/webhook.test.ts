import { afterEach, beforeEach, expect, it } from 'vitest'
import { signatureHeader, signWebhook } from '../../payments/webhook.ts'
import { expectProblem } from '../../../test/support/expect-problem.ts'
import { findFreePort } from '../../../test/support/processes/free-port.ts'
import { createSale } from '../../../test/support/sale.ts'
import { invoiced, pay } from '../../../test/support/shopping.ts'
import { startApp, type TestApp } from '../../../test/support/start-app.ts'

/** In this file the provider sends webhooks and does not answer questions. */
const secret = 'webhook-secret-of-the-tests'
let app: TestApp

beforeEach(async () => {
  const url = `http://127.0.0.1:${await findFreePort()}`
  app = await startApp({
    environment: { PAYMENT_WEBHOOK_SECRET: secret, PAYMENT_PROVIDER_URL: url },
  })
})
afterEach(() => app.stop())

it('a webhook that cannot be followed up now is wanted again, as often as it comes', async () => {
  const { shopper, invoiceId } = await invoiced(app.call, await createSale(app.call))
  const { status, body } = await pay(app.call, shopper, invoiceId)
  expect(status).toBe(202)
  const { payment } = body as unknown as { readonly payment: { readonly id: string } }
  const event = { id: 'evt_1', type: 'payment.captured', paymentId: payment.id }
  const sent = JSON.stringify({ ...event, createdAt: '2026-12-12T12:12:00.000Z' })
  const signature = signWebhook(secret, sent, Date.now())
  const headers = { 'content-type': 'application/json', [signatureHeader]: signature }
  for (let time = 0; time < 2; time += 1) {
    const answer = await app.call('POST', '/v1/webhooks/payments', { body: sent, headers })
    expectProblem(answer, 503, 'provider_unavailable')
  }
})
