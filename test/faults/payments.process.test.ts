import { describe, expect, it } from 'vitest'
import { readStock } from '../support/expectations.ts'
import {
  openPaymentScene,
  resolvedMs,
  type Buyer,
  type PaymentScene,
} from '../support/payment-scene.ts'
import { createSale } from '../support/sale.ts'
import { invoiced } from '../support/shopping.ts'
import { testAdminToken } from '../support/start-app.ts'
import { createRandom, pick } from '../support/random.ts'
import { testSeed } from '../support/seed.ts'
import { until } from '../support/until.ts'

/** Tests F16: program and provider are two processes, and their ledgers must agree at the end. */

/** The tests run at the same time, because they wait most of it. */
const inScene = (title: string, test: (scene: PaymentScene) => Promise<void>): void => {
  it.concurrent(title, async () => {
    const scene = await openPaymentScene()
    try {
      await test(scene)
      expect(await scene.disagreements()).toEqual([])
    } finally {
      await scene.close()
    }
  })
}

describe(`F16: the provider (seed ${testSeed})`, () => {
  inScene(
    'is asked, never guessed at: who authorised is paid, who did not is not',
    async ({ shop, simulator, buy, statusOf, untilSettled }) => {
      const { call } = shop()
      const sale = await createSale(call, { stock: 20 })
      await simulator.switch({ webhookCopies: 2, webhookOrder: 'reversed', webhooksForged: true })
      const answering = ['pm_ok', 'pm_slow', 'pm_answers_twice']
      const silent = ['pm_timeout_after', 'pm_answer_lost']
      const capturing = ['pm_capture_late', 'pm_capture_answer_lost']
      const paid = [...answering, ...silent, ...capturing]
      const unpaid = ['pm_declined', 'pm_timeout_before', 'pm_nonsense']
      const methods = [...paid, ...unpaid]
      const buyers = await Promise.all(methods.map((method) => buy(sale, method)))
      await untilSettled()
      for (const buyer of buyers) {
        const ended = paid.includes(buyer.method) ? 'paid' : 'unpaid'
        expect([buyer.method, await statusOf(buyer)]).toEqual([buyer.method, ended])
      }
      expect(await readStock(call, sale.productId)).toMatchObject({ sold: 7, held: 3 })
      const told = Object.fromEntries(buyers.map(({ method, told }) => [method, told]))
      expect(told).toMatchObject({ pm_ok: 200, pm_answers_twice: 200, pm_declined: 402 })
      expect(told).toMatchObject({ pm_timeout_before: 202 })
    },
  )

  inScene(
    'is down while invoices expire: their units stay until it confirms the void; late money then pays again or needs a person',
    async ({ shop, simulator, buy, statusOf, paymentOf, query }) => {
      const { call } = shop()
      const sale = await createSale(call, { stock: 2, holdSeconds: 2 })
      const lucky = await buy(sale, 'pm_push')
      const unlucky = await buy(sale, 'pm_push')
      expect([lucky.told, unlucky.told]).toEqual([202, 202])
      await simulator.switch({ down: true })
      const isTried = () =>
        query('shop', `select id from payments where updated_at > created_at`).length === 2
      await until(isTried, resolvedMs, 'a round of the resolver', 100)
      expect([await statusOf(lucky), await statusOf(unlucky)]).toEqual(['paying', 'paying'])
      expect(await readStock(call, sale.productId)).toMatchObject({ held: 2, available: 0 })

      await simulator.switch({ down: false })
      const isOver = async () =>
        (await statusOf(lucky)) === 'expired' && (await statusOf(unlucky)) === 'expired'
      await until(isOver, resolvedMs, 'the end of both invoices', 100)
      expect(await simulator.statusOf(paymentOf(lucky).id)).toBe('voided')
      expect(await readStock(call, sale.productId)).toMatchObject({ held: 0, available: 2 })

      await buy(sale, 'pm_ok')
      await simulator.arrive(paymentOf(lucky).id)
      await until(async () => (await statusOf(lucky)) === 'paid', 10_000, 'late money paying', 50)
      await simulator.arrive(paymentOf(unlucky).id)
      const isStuck = async () => (await statusOf(unlucky)) === 'needs_attention'
      await until(isStuck, 10_000, 'a call for a person', 50)
      expect(await readStock(call, sale.productId)).toMatchObject({ sold: 2, available: 0 })
      const { body } = await call('GET', '/v1/admin/attention', { token: testAdminToken })
      expect(body).toMatchObject({
        items: [{ invoiceId: unlucky.invoiceId, reason: 'sold_out', amountMinor: 4_999 }],
      })
      expect(await simulator.statusOf(paymentOf(unlucky).id)).toBe('captured')
    },
  )
  inScene(
    'sees the program killed after the authorisation, after paid, and after the capture: everybody ends paid, captured once',
    async ({ shop, simulator, buy, statusOf, paymentOf, query, killAndRestart, untilSettled }) => {
      const sale = await createSale(shop().call, { stock: 10 })
      await simulator.switch({ webhooksHeld: true })
      const told = await buy(sale, 'pm_ok')
      const authorized = buy(sale, 'pm_timeout_after')
      const paid = await buy(sale, 'pm_capture_late')
      const captured = await buy(sale, 'pm_capture_answer_lost')
      const isAuthorized = () =>
        query(
          'provider',
          `select payment_id from payments where status = 'authorized' and method = 'pm_timeout_after'`,
        ).length === 1
      await until(isAuthorized, 5_000, 'the authorisation', 20)
      expect([told.told, paid.told, captured.told]).toEqual([200, 200, 200])
      expect(paymentOf(captured).status).toBe('authorized')
      await killAndRestart()
      const all = [told, await authorized, paid, captured]
      await untilSettled()
      for (const buyer of all) {
        expect([buyer.method, await statusOf(buyer)]).toEqual([buyer.method, 'paid'])
        expect(await simulator.statusOf(paymentOf(buyer).id)).toBe('captured')
      }
      expect(await readStock(shop().call, sale.productId)).toMatchObject({ sold: 4, held: 0 })
    },
  )

  inScene(
    'sees it killed again and again at any moment: who was told paid is paid, and the books agree',
    async ({ shop, pay, statusOf, query, killAndRestart, untilSettled }) => {
      const operations = (): number =>
        Number(query('provider', 'select count(*) as count from operations')[0]?.['count'])
      const random = createRandom(testSeed)
      const sale = await createSale(shop().call, { stock: 100 })
      const methods = [
        'pm_ok',
        'pm_ok',
        'pm_answer_lost',
        'pm_capture_late',
        'pm_declined',
      ] as const
      const buyers: Buyer[] = []
      for (let round = 0; round < 5; round += 1) {
        const ready = await Promise.all(
          Array.from({ length: 8 }, () => invoiced(shop().call, sale)),
        )
        const before = operations()
        const paying = ready.map((each) => pay({ ...each, method: pick(random, methods), told: 0 }))
        // The kill comes between any two steps of the eight payments; in the first round before any
        // answer.
        const steps = round === 0 ? 0 : 1 + Math.floor(random() * ready.length)
        await until(
          () => operations() - before >= steps,
          10_000,
          `step ${steps} at the provider`,
          1,
        )
        await killAndRestart()
        buyers.push(...(await Promise.all(paying)))
      }
      await untilSettled()
      expect(buyers.filter(({ told }) => told === 0)).not.toEqual([])
      for (const buyer of buyers.filter(({ told }) => told === 200)) {
        expect(await statusOf(buyer)).toBe('paid')
      }
    },
  )
})
