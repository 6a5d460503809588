import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '../../clock.ts'
import {
  createSimulatedProvider,
  type SimulatedProvider,
} from '../../payments/simulator/simulated-provider.ts'
import { signatureHeader, signWebhook } from '../../payments/webhook.ts'
import { expectProblem } from '../../../test/support/expect-problem.ts'
import { expectAuditClean, readStock } from '../../../test/support/expectations.ts'
import { createFakeClock, type FakeClock } from '../../../test/support/fake-clock.ts'
import type { Answer } from '../../../test/support/http.ts'
import { createSale, type TestSale, type TestShopper } from '../../../test/support/sale.ts'
import { invoiced, pay } from '../../../test/support/shopping.ts'
import { startApp, testAdminToken, type TestApp } from '../../../test/support/start-app.ts'
import { until } from '../../../test/support/until.ts'

const secret = 'webhook-secret-of-the-tests'
const holdMs = 300_000
const token = testAdminToken

let clock: FakeClock
let app: TestApp
let sale: TestSale
/** A second provider on the ledger of the program's own; tests use it to let money arrive. */
let provider: SimulatedProvider

beforeEach(async () => {
  clock = createFakeClock()
  app = await startApp({ clock, environment: { PAYMENT_WEBHOOK_SECRET: secret } })
  sale = await createSale(app.call, { stock: 2 })
  clock.advance(250)
  const path = join(app.folder, 'payment-simulator.db')
  provider = createSimulatedProvider({ path, clock: systemClock, random: () => 0.5 })
  await provider.start()
})
afterEach(async () => {
  await expectAuditClean(app.call)
  await provider.stop()
  const stopped = app.stop()
  clock.advance(60_000)
  await stopped
})

let events = 0

interface Parcel {
  readonly paymentId: string
  readonly id?: string
  readonly type?: string
  readonly signedWith?: string
  readonly signedAt?: number
}

function webhook({ paymentId, id = `evt_${(events += 1)}`, ...rest }: Parcel): Promise<Answer> {
  const { type = 'payment.captured', signedWith = secret, signedAt = clock.now() } = rest
  const createdAt = '2026-12-12T12:12:00.000Z'
  const body = JSON.stringify({ id, type, paymentId, createdAt })
  return send(body, signWebhook(signedWith, body, signedAt))
}

function send(body: string, signature: string): Promise<Answer> {
  const headers = { 'content-type': 'application/json', [signatureHeader]: signature }
  return app.call('POST', '/v1/webhooks/payments', { body, headers })
}

interface Pushed {
  readonly shopper: TestShopper
  readonly invoiceId: string
  readonly paymentId: string
}

/** Makes a push payment that is pending at the provider. */
async function push(): Promise<Pushed> {
  const { shopper, invoiceId } = await invoiced(app.call, sale)
  const { status, body } = await pay(app.call, shopper, invoiceId, { method: 'pm_push' })
  expect(status).toBe(202)
  const { payment } = body as unknown as { readonly payment: { readonly id: string } }
  return { shopper, invoiceId, paymentId: payment.id }
}

async function statusOf({ shopper, invoiceId }: Pushed): Promise<string> {
  const { body } = await app.call('GET', `/v1/invoices/${invoiceId}`, { token: shopper.token })
  return (body as unknown as { readonly status: string }).status
}

/** Moves the clock second by second, so that cron jobs run, until the invoice has the status. */
async function untilStatus(pushed: Pushed, status: string): Promise<void> {
  const isThere = async () => {
    clock.advance(1_000)
    return (await statusOf(pushed)) === status
  }
  await until(isThere, 10_000, `the invoice being ${status}`)
}

async function expired(): Promise<Pushed> {
  const pushed = await push()
  clock.advance(holdMs)
  await untilStatus(pushed, 'expired')
  return pushed
}

const webhookCounts = async (): Promise<string[]> => {
  const { text } = await app.call('GET', '/metrics')
  return [...text.matchAll(/^holdfast_payment_webhooks_total\{result="(\w+)"\} (\d+)/gm)].map(
    ([, result, count]) => `${result ?? ''} ${count ?? ''}`,
  )
}

describe('a webhook', () => {
  it('makes the program ask the provider, and the invoice is paid', async () => {
    const pushed = await push()
    await provider.arrive(pushed.paymentId)
    const answer = await webhook(pushed)
    expect([answer.status, answer.body]).toEqual([200, { received: true }])
    expect(await statusOf(pushed)).toBe('paid')
    expect(await webhookCounts()).toEqual(['learned 1'])
  })

  it('is not believed: what it claims and the provider does not know changes nothing', async () => {
    const pushed = await push()
    for (const type of ['payment.captured', 'payment.authorized', 'payment.declined']) {
      expect((await webhook({ ...pushed, type })).status).toBe(200)
    }
    expect(await statusOf(pushed)).toBe('paying')
  })

  it.each([
    ['forged', { signedWith: 'another secret' }],
    ['five minutes old', { signedAt: -holdMs - 1_000 }],
    ['five minutes early', { signedAt: holdMs + 1_000 }],
  ])('that is %s is refused, although the money is there', async (_title, changes) => {
    const pushed = await push()
    await provider.arrive(pushed.paymentId)
    const signedAt = clock.now() + ('signedAt' in changes ? changes.signedAt : 0)
    const answer = await webhook({ ...pushed, ...changes, signedAt })
    expectProblem(answer, 400, 'webhook_signature_invalid')
    expect(await statusOf(pushed)).toBe('paying')
    expect(await webhookCounts()).toEqual(['refused 1'])
    await webhook(pushed)
  })

  it('without a signature, or with the bytes changed after signing, is refused', async () => {
    const body = JSON.stringify({
      id: 'evt_x',
      type: 'payment.captured',
      paymentId: 'p',
      createdAt: '2026-12-12T12:12:00.000Z',
    })
    expectProblem(await send(body, ''), 400, 'webhook_signature_invalid')
    const signature = signWebhook(secret, body, clock.now())
    expectProblem(await send(`${body} `, signature), 400, 'webhook_signature_invalid')
    expect((await send(body, signature)).status).toBe(200)
  })

  it('that is oversized, no JSON or of another shape is refused before anything else', async () => {
    const large = JSON.stringify({ id: 'x'.repeat(20_000) })
    expectProblem(await send(large, signWebhook(secret, large, clock.now())), 413, 'body_too_large')
    expectProblem(await send('{', signWebhook(secret, '{', clock.now())), 400, 'malformed_json')
    const other = '{"id":"evt_1"}'
    const signed = signWebhook(secret, other, clock.now())
    expectProblem(await send(other, signed), 400, 'validation_failed')
  })

  it('that is replayed is answered and not followed again', async () => {
    const pushed = await push()
    await webhook({ ...pushed, id: 'evt_replayed' })
    await provider.arrive(pushed.paymentId)
    expect((await webhook({ ...pushed, id: 'evt_replayed' })).status).toBe(200)
    expect(await statusOf(pushed)).toBe('paying')
    expect(await webhookCounts()).toEqual(['learned 1', 'repeated 1'])
    await webhook(pushed)
    expect(await statusOf(pushed)).toBe('paid')
  })

  it('may come in any order: the last word is the provider’s', async () => {
    const pushed = await push()
    await provider.arrive(pushed.paymentId)
    const types = ['payment.captured', 'payment.voided', 'payment.declined', 'payment.authorized']
    await Promise.all(types.map((type) => webhook({ ...pushed, type })))
    expect(await statusOf(pushed)).toBe('paid')
    expect(await readStock(app.call, sale.productId)).toMatchObject({ sold: 1, held: 0 })
  })

  it('for a payment of somebody else is answered, counted and forgotten', async () => {
    expect((await webhook({ paymentId: 'pay_of_another_shop' })).status).toBe(200)
    expect(await webhookCounts()).toEqual(['unknown_payment 1'])
  })
})

describe('late money', () => {
  it('half a day after the invoice expired pays it when units are left', async () => {
    const pushed = await expired()
    clock.step(12 * 3_600_000)
    await provider.arrive(pushed.paymentId)
    await webhook(pushed)
    expect(await statusOf(pushed)).toBe('paid')
    expect(await readStock(app.call, sale.productId)).toMatchObject({ sold: 1, available: 1 })
  })
})

describe('the attention list', () => {
  /** Makes two stranded payments: their money arrived after all units were sold. */
  async function strand(): Promise<readonly Pushed[]> {
    const stranded = [await push(), await push()]
    clock.advance(holdMs)
    for (const each of stranded) await untilStatus(each, 'expired')
    for (const each of [await invoiced(app.call, sale), await invoiced(app.call, sale)]) {
      await pay(app.call, each.shopper, each.invoiceId)
    }
    for (const each of stranded) {
      await provider.arrive(each.paymentId)
      await webhook(each)
    }
    return stranded
  }

  const list = async (query = '') => {
    const { body } = await app.call('GET', `/v1/admin/attention${query}`, { token })
    return body as unknown as { readonly items: readonly object[]; readonly nextCursor: string }
  }

  it('says which invoice, payment and amount, since when, and why, page by page', async () => {
    const [first, second] = await strand()
    const page = await list('?limit=1')
    expect(page.items).toEqual([
      {
        paymentId: first!.paymentId,
        invoiceId: first!.invoiceId,
        userId: first!.shopper.id,
        invoiceStatus: 'needs_attention',
        method: 'pm_push',
        amountMinor: 4_999,
        currency: 'EUR',
        reason: 'sold_out',
        since: new Date(clock.now()).toISOString(),
      },
    ])
    expect(page.nextCursor).toBe(first!.paymentId)
    const rest = await list(`?limit=1&cursor=${page.nextCursor}`)
    expect(rest.items).toMatchObject([{ paymentId: second!.paymentId }])
    const { text } = await app.call('GET', '/v1/admin/invoices?status=needs_attention', { token })
    expect(text).toContain(first!.invoiceId)
  })

  it('is shortened by a person only, who says what was done; the shopper is told to wait', async () => {
    const [first, second] = await strand()
    const { token: theirs } = first!.shopper
    expectProblem(
      await pay(app.call, first!.shopper, first!.invoiceId),
      409,
      'invoice_needs_attention',
    )
    const cancel = await app.call('POST', `/v1/invoices/${first!.invoiceId}/cancel`, {
      token: theirs,
    })
    expectProblem(cancel, 409, 'invoice_needs_attention')

    const path = `/v1/admin/attention/${first!.paymentId}/close`
    expectProblem(await app.call('POST', path, { token, body: {} }), 400, 'validation_failed')
    const body = { note: 'paid back by hand' }
    const closed = await app.call('POST', path, { token, body })
    expect(closed.status).toBe(200)
    const again = await app.call('POST', path, { token, body })
    expect([again.status, again.body]).toEqual([200, closed.body])
    const another = { token, body: { note: 'gave them a unit' } }
    expectProblem(await app.call('POST', path, another), 409, 'attention_closed')
    const { text } = await app.call('GET', '/v1/admin/actions?limit=3', { token })
    const outcomes = [...text.matchAll(/"outcome":"(\w+)"/g)].map(([, outcome]) => outcome)
    expect(outcomes).toEqual(['attention_closed', 'done', 'done'])
    expect((await list()).items).toMatchObject([{ paymentId: second!.paymentId }])
    const unknown = path.replace(first!.paymentId, first!.invoiceId)
    expectProblem(await app.call('POST', unknown, { token, body }), 404, 'not_found')
    expect(await provider.find(first!.paymentId)).toMatchObject({ status: 'captured' })
  })
})
