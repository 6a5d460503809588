import { describe, expect, it } from 'vitest'
import { requireNsqd } from '../../scripts/nsqd-process.ts'
import { addToCart, buy, tally } from '../support/buyers.ts'
import { startCluster, type Cluster, type ClusterOptions } from '../support/cluster.ts'
import { expectAuditClean, readStock } from '../support/expectations.ts'
import { metric, readChannels } from '../support/nsqd-stats.ts'
import { startNsqProxy } from '../support/nsq-proxy.ts'
import { createSale, createShoppers } from '../support/sale.ts'
import type { TestProcess } from '../support/start-process.ts'
import { until } from '../support/until.ts'

const nsqdBinary = await requireNsqd()
const units = 10
const buyers = 40
/** nsqd delivers a message again after 10 s, and drops a silent consumer after 10 s. */
const redeliveredMs = 30_000
const stoppedMs = 20_000
/**
 * The maximum age is so long that no request is refused for its age, only for its second delivery.
 */
const patient = { ADD_TO_CART_WAIT_MS: '1000', ADD_TO_CART_MAX_AGE_MS: '120000' }

/** Tests F3 and F8. They run at the same time, because they mostly wait for nsqd's timeouts. */
describe.skipIf(nsqdBinary === undefined)('messages that nsqd delivers twice', () => {
  async function inCluster(
    options: Omit<ClusterOptions, 'nsqdBinary'>,
    test: (cluster: Cluster) => Promise<void>,
  ): Promise<void> {
    const cluster = await startCluster({ nsqdBinary: nsqdBinary ?? '', ...options })
    try {
      await test(cluster)
    } finally {
      await cluster.stop()
    }
  }

  it.concurrent(
    'F3: because the worker was killed between reply and finish, change nothing',
    async () => {
      await inCluster({ workers: 0 }, async (cluster) => {
        const proxy = await startNsqProxy(cluster.nsqd.tcpAddress)
        try {
          const worker = await cluster.startWorker({ NSQD_TCP_ADDRESSES: proxy.address })
          const { call } = cluster.apis[0]!
          const sale = await createSale(call, { stock: units })
          const shoppers = await createShoppers(call, units - 1)
          await until(() => hasConsumer(cluster), 10_000, 'the consumer')
          proxy.muteConsumers()
          const told = await Promise.all(
            shoppers.map((shopper) => addToCart(call, sale, shopper, { key: `k-${shopper.id}` })),
          )
          expect(told.map(({ status }) => status)).toEqual(shoppers.map(() => 201))
          await until(() => proxy.lostFinishes() === shoppers.length, 5_000, 'the lost finishes')
          await worker.kill()
          const before = movements(cluster)

          const next = await cluster.startWorker()
          const held = { outcome: 'held', asked: 'database' }
          await until(
            async () => (await decided(next, held)) >= shoppers.length,
            redeliveredMs,
            'all being delivered again',
            50,
          )
          await until(() => isDrained(cluster), 5_000, 'the end of all messages')
          expect(movements(cluster)).toEqual(before)
          expect(await readStock(call, sale.productId)).toMatchObject({ held: units - 1 })
          const again = await Promise.all(
            shoppers.map((shopper) => addToCart(call, sale, shopper, { key: `k-${shopper.id}` })),
          )
          expect(again.map(({ text }) => text)).toEqual(told.map(({ text }) => text))
          await expectAuditClean(call)
        } finally {
          await proxy.stop()
        }
      })
    },
  )

  it.concurrent(
    'F8: because the worker was stopped for 20 s, take nothing: not where they are refused, not when it goes on',
    async () => {
      await inCluster({ environment: patient }, async (cluster) => {
        const { call } = cluster.apis[0]!
        const stopped = cluster.workers[0]!
        const sale = await createSale(call, { stock: units })
        const shoppers = await createShoppers(call, buyers)
        await until(() => hasConsumer(cluster), 10_000, 'the consumer')
        const standby = await cluster.startWorker()
        const unlock = cluster.lockDatabase()
        const attempts = shoppers.map((shopper) => buy(call, sale, shopper))
        const inHand = async () => (await readChannels(cluster.nsqd)).inFlight === buyers
        await until(inHand, 10_000, 'the messages reaching the worker')
        await stopped.pause()
        const stoppedAt = performance.now()
        unlock()

        const ended = await Promise.all(attempts)
        expect(new Set(ended.map(({ first }) => first.status))).toEqual(new Set([202]))
        expect(tally(ended)).toEqual({ too_late: buyers })
        const late = { outcome: 'too_late', asked: 'database' }
        expect(await decided(standby, late)).toBe(buyers)
        const isTime = () => performance.now() - stoppedAt >= stoppedMs
        await until(isTime, stoppedMs, 'twenty seconds', 50)
        stopped.signal('SIGCONT')
        const isDone = async () => (await decided(stopped, late)) === buyers
        await until(isDone, 10_000, 'the first deliveries being decided')
        expect(movements(cluster)).toEqual([])
        expect(await readStock(call, sale.productId)).toMatchObject({ available: units, held: 0 })

        const more = await createShoppers(call, units + 5)
        const bought = await Promise.all(more.map((shopper) => buy(call, sale, shopper)))
        expect(tally(bought)).toEqual({ held: units, sold_out: 5 })
        await expectAuditClean(call)
      })
    },
  )
})

const hasConsumer = async (cluster: Cluster): Promise<boolean> =>
  (await readChannels(cluster.nsqd)).consumers > 0

async function isDrained(cluster: Cluster): Promise<boolean> {
  const { inFlight, depth } = await readChannels(cluster.nsqd)
  return inFlight + depth === 0
}

const movements = (cluster: Cluster) =>
  cluster.query(`
    select kind, reservation_id from stock_movements where reservation_id is not null order by id`)

/** Reads how many requests this worker has decided with this outcome. */
async function decided(
  worker: TestProcess,
  { outcome, asked }: { readonly outcome: string; readonly asked: string },
): Promise<number> {
  const { text } = await worker.call('GET', '/metrics')
  return metric(text, `holdfast_reserve_requests_total{outcome="${outcome}",asked="${asked}"}`)
}
