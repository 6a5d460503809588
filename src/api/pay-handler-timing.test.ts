import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { expectProblem } from '../../test/support/expect-problem.ts'
import { expectAuditClean, readStock } from '../../test/support/expectations.ts'
import { createFakeClock, type FakeClock } from '../../test/support/fake-clock.ts'
import { readProviderLedger } from '../../test/support/provider-ledger.ts'
import { createSale, type TestSale, type TestShopper } from '../../test/support/sale.ts'
import { invoiced, pay } from '../../test/support/shopping.ts'
import { startApp, type TestApp } from '../../test/support/start-app.ts'
import { until } from '../../test/support/until.ts'

/** The time a shopper waits for the provider, and the time that `pm_slow` takes. */
const replyTimeoutMs = 2_000
const slowMs = 3_000

describe('pay, by the clock', () => {
  let clock: FakeClock
  let app: TestApp
  let sale: TestSale

  beforeEach(async () => {
    clock = createFakeClock()
    app = await startApp({ clock })
    sale = await createSale(app.call, { stock: 10 })
    // The consumer of the sale follows the fake clock, too.
    clock.advance(250)
  })
  afterEach(async () => {
    await expectAuditClean(app.call)
    const stopped = app.stop()
    clock.advance(60_000)
    await stopped
  })

  async function invoiceOf({ token }: TestShopper, invoiceId: string) {
    const { body } = await app.call('GET', `/v1/invoices/${invoiceId}`, { token })
    return body as unknown as { readonly status: string; readonly dueAt: string }
  }

  /** Sends a slow payment and returns once it waits for the provider; its answer comes later. */
  async function begin(shopper: TestShopper, invoiceId: string, key: string) {
    const timers = clock.pending()
    const promise = pay(app.call, shopper, invoiceId, { method: 'pm_slow', key })
    await until(() => clock.pending() >= timers + 2, 2_000, 'the provider being asked')
    return { promise }
  }

  it('answers 202 while the provider takes its time, then the invoice is paid', async () => {
    const { shopper, invoiceId } = await invoiced(app.call, sale)
    const { promise } = await begin(shopper, invoiceId, 'slow')
    clock.advance(replyTimeoutMs)
    const answer = await promise
    expect(answer.status).toBe(202)
    expect(answer.headers.get('location')).toBe(`/v1/invoices/${invoiceId}`)
    expect(answer.headers.get('retry-after')).toMatch(/^[123]$/)
    expect(answer.body).toMatchObject({
      invoice: { id: invoiceId, status: 'paying' },
      payment: { status: 'authorizing' },
    })

    const cancel = `/v1/invoices/${invoiceId}/cancel`
    const { token } = shopper
    expectProblem(await pay(app.call, shopper, invoiceId), 409, 'payment_in_progress')
    expectProblem(await app.call('POST', cancel, { token }), 409, 'payment_in_progress')
    expect((await readProviderLedger(app)).captured).toEqual([])

    clock.advance(slowMs - replyTimeoutMs)
    await until(async () => (await invoiceOf(shopper, invoiceId)).status === 'paid', 2_000)
    const replayed = await pay(app.call, shopper, invoiceId, { method: 'pm_slow', key: 'slow' })
    expect(replayed.status).toBe(200)
    expect(replayed.headers.get('idempotency-replayed')).toBe('true')
    expect((await readProviderLedger(app)).captured).toHaveLength(1)
  })

  it('lets the same key wait for the attempt under way', async () => {
    const { shopper, invoiceId } = await invoiced(app.call, sale)
    const first = await begin(shopper, invoiceId, 'slow')
    const timers = clock.pending()
    const second = pay(app.call, shopper, invoiceId, { method: 'pm_slow', key: 'slow' })
    await until(() => clock.pending() > timers, 2_000)
    clock.advance(replyTimeoutMs)
    const answers = [await first.promise, await second]
    expect(answers.map(({ status }) => status)).toEqual([202, 202])
    expect(answers[1]?.headers.get('idempotency-replayed')).toBe('true')
    clock.advance(slowMs)
  })

  it('leaves no timer behind when the provider answers at once', async () => {
    const { shopper, invoiceId } = await invoiced(app.call, sale)
    const timers = clock.pending()
    await pay(app.call, shopper, invoiceId)
    expect(clock.pending()).toBe(timers)
  })

  it('never expires what is being paid, however long that takes', async () => {
    const { shopper, invoiceId } = await invoiced(app.call, sale)
    clock.advance(299_000)
    const { promise } = await begin(shopper, invoiceId, 'last-second')
    clock.advance(replyTimeoutMs)
    expect((await promise).status).toBe(202)
    expect((await invoiceOf(shopper, invoiceId)).status).toBe('paying')
    clock.advance(slowMs)
    await until(async () => (await invoiceOf(shopper, invoiceId)).status === 'paid', 2_000)
  })

  it('refuses an invoice that is overdue, and gives its units back', async () => {
    const { shopper, invoiceId } = await invoiced(app.call, sale)
    clock.step(300_000)
    expectProblem(await pay(app.call, shopper, invoiceId), 409, 'invoice_expired')
    clock.advance(2_000)
    await until(async () => (await invoiceOf(shopper, invoiceId)).status === 'expired', 3_000)
    expectProblem(await pay(app.call, shopper, invoiceId), 409, 'invoice_expired')
    const { token } = shopper
    const cancel = await app.call('POST', `/v1/invoices/${invoiceId}/cancel`, { token })
    expectProblem(cancel, 409, 'invoice_expired')
    const stock = await readStock(app.call, sale.productId)
    expect(stock).toMatchObject({ available: 10, held: 0, sold: 0 })
    expect((await readProviderLedger(app)).captured).toEqual([])
  })

  it('leaves a minute to try another card after one was declined at the last moment', async () => {
    const { shopper, invoiceId } = await invoiced(app.call, sale)
    const before = await invoiceOf(shopper, invoiceId)
    clock.advance(299_000)
    const declined = await pay(app.call, shopper, invoiceId, { method: 'pm_declined' })
    expectProblem(declined, 402, 'payment_declined')
    const after = await invoiceOf(shopper, invoiceId)
    expect(Date.parse(after.dueAt) - clock.now()).toBe(60_000)
    expect(Date.parse(after.dueAt)).toBeGreaterThan(Date.parse(before.dueAt))
    clock.advance(59_000)
    expect((await pay(app.call, shopper, invoiceId)).status).toBe(200)
  })

  it('expires holds that were never checked out', async () => {
    const { shopper, invoiceId } = await invoiced(app.call, sale)
    await pay(app.call, shopper, invoiceId)
    const { token } = shopper
    expect((await app.call('POST', '/v1/cart/items', { token, body: sale })).status).toBe(201)
    clock.advance(300_000)
    expectProblem(await app.call('POST', '/v1/checkout', { token }), 409, 'cart_empty')
    const isBack = async () => (await readStock(app.call, sale.productId)).available === 9
    await until(isBack, 3_000, 'the unit coming back')
    expect((await app.call('GET', '/v1/cart', { token })).body).toMatchObject({ items: [] })
  })
})
