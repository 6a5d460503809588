import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { requireNsqd } from '../../scripts/nsqd-process.ts'
import { addToCartTopic } from '../../src/messaging/topics.ts'
import { queueOf } from '../support/sale-queue.ts'
import { buy, payFor, tally } from '../support/buyers.ts'
import { startCluster, type Cluster } from '../support/cluster.ts'
import { startCopier, type Copier } from '../support/copier.ts'
import { expectAuditClean, readStock } from '../support/expectations.ts'
import type { Call } from '../support/http.ts'
import { createSale, createShoppers, type TestSale, type TestShopper } from '../support/sale.ts'
import { until } from '../support/until.ts'

const nsqdBinary = await requireNsqd()

const buyers = 500
const units = 50
const holdSeconds = 6

/** Runs 500 buyers for 50 units over real processes and a real nsqd. */
describe
  .skipIf(nsqdBinary === undefined)
  .each(['channel-per-product', 'topic-per-product'] as const)(
  '500 buyers race for 50 units over nsqd, routing %s',
  (routing) => {
    let cluster: Cluster
    let copier: Copier
    let sale: TestSale
    let a: Call
    let b: Call

    beforeAll(async () => {
      const environment = { ADD_TO_CART_ROUTING: routing }
      cluster = await startCluster({ nsqdBinary: nsqdBinary ?? '', apis: 2, environment })
      const [first, second] = cluster.apis
      a = first!.call
      b = second!.call
      sale = await createSale(a, { stock: units, holdSeconds })
      const topic = addToCartTopic(queueOf(cluster, sale.flashSaleId), sale.productId)
      expect(topic.endsWith(`.product-${sale.productId}`)).toBe(routing === 'topic-per-product')
      copier = await startCopier(cluster.nsqd, topic)
    })

    afterAll(async () => {
      await copier.stop()
      await cluster.stop()
    })

    it('gives exactly 50 holds and 450 sold_out although every message comes three times', async () => {
      const shoppers = await createShoppers(a, buyers)
      const attempts = await Promise.all(
        shoppers.map((shopper, index) => buy(index % 2 === 0 ? a : b, sale, shopper)),
      )
      expect(attempts.filter(({ first }) => first.status >= 500)).toEqual([])
      expect(tally(attempts)).toEqual({ held: units, sold_out: buyers - units })
      expect(copier.copied()).toBeGreaterThan(units)
      expect(await readStock(a, sale.productId)).toMatchObject({ available: 0, held: units })
      await expectAuditClean(a)
    })

    it('gives nothing to replayed messages of the refused once the holds have expired', async () => {
      await until(
        async () => (await readStock(a, sale.productId)).available === units,
        (holdSeconds + 5) * 1_000,
        'the expiry of all holds',
      )
      await copier.replayAll()
      await until(() => copier.drained(), 10_000, 'the replayed messages being handled')
      expect(await readStock(a, sale.productId)).toMatchObject({ available: units, held: 0 })
    })

    it('sells all 50 to others after that, and counts them sold', async () => {
      const shoppers = await createShoppers(a, units)
      await Promise.all(shoppers.map((shopper) => buyPatiently(b, sale, shopper)))
      await Promise.all(shoppers.map((shopper) => payFor(a, shopper)))
      const stock = { allotment: units, available: 0, held: 0, sold: units }
      expect(await readStock(a, sale.productId)).toMatchObject(stock)
      await expectAuditClean(a)
    })
  },
)

/** Repeats with a new key while a gate does not know of the release yet: 1.5 s at most. */
async function buyPatiently(call: Call, sale: TestSale, shopper: TestShopper): Promise<void> {
  let tries = 0
  await until(
    async () => {
      tries += 1
      const key = `try-${shopper.id}-${tries}`
      return (await buy(call, sale, shopper, { key })).outcome === 'held'
    },
    1_500,
    `a unit for shopper ${shopper.id}`,
  )
}
