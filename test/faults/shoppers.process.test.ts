import { setTimeout as pause } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { requireNsqd } from '../../scripts/nsqd-process.ts'
import { buy, tally } from '../support/buyers.ts'
import { readRows, startCluster, type Cluster } from '../support/cluster.ts'
import { expectAuditClean, readStock } from '../support/expectations.ts'
import type { Answer } from '../support/http.ts'
import { createSale, createShopper, createShoppers, type TestShopper } from '../support/sale.ts'
import { checkOut, hold, invoiceIdOf, pay } from '../support/shopping.ts'
import { createRandom } from '../support/random.ts'
import { testSeed } from '../support/seed.ts'
import { until } from '../support/until.ts'

const nsqdBinary = await requireNsqd()
const random = createRandom(testSeed)
const racers = 500
const holdSeconds = 5
const atOnce = 50

/** Tests F15 and F17 with two API nodes and a worker over a real nsqd. */
describe.skipIf(nsqdBinary === undefined)(`two API nodes and a worker (seed ${testSeed})`, () => {
  async function inCluster(test: (cluster: Cluster) => Promise<void>): Promise<void> {
    const cluster = await startCluster({ nsqdBinary: nsqdBinary ?? '', apis: 2 })
    try {
      await test(cluster)
      await expectAuditClean(cluster.apis[0]!.call)
    } finally {
      await cluster.stop()
    }
  }

  it.concurrent(
    'F15: whoever pays in the moment in which the invoice expires has paid or is told 409, and only who paid is charged',
    async () => {
      await inCluster(async (cluster) => {
        const { call } = cluster.apis[0]!
        const sale = await createSale(call, { stock: racers, holdSeconds })
        const shoppers = await createShoppers(call, racers)
        await Promise.all(shoppers.map((shopper) => hold(call, sale, shopper)))
        await nextSweep()
        const raced = await Promise.all(shoppers.map((shopper) => race(cluster, shopper)))
        const told = (status: number) => raced.filter(({ answer }) => answer.status === status)
        const [paid, refused] = [told(200), told(409)]
        expect(paid.length + refused.length).toBe(racers)
        expect(Math.min(paid.length, refused.length)).toBeGreaterThan(racers / 100)
        for (const { answer } of refused) expect(answer.body['code']).toBe('invoice_expired')

        const isSwept = async () => (await readStock(call, sale.productId)).held === 0
        await until(isSwept, 10_000, 'the end of all others', 50)
        const { sold, available } = await readStock(call, sale.productId)
        expect([sold, available]).toEqual([paid.length, refused.length])
        expect(idsOf(cluster, 'paid')).toEqual(sorted(paid))
        expect(idsOf(cluster, 'expired')).toEqual(sorted(refused))
        await until(() => captured(cluster).length === paid.length, 20_000, 'the captures', 50)
        expect(captured(cluster)).toEqual(sorted(paid))
      })
    },
  )

  it.concurrent.each([
    ['the same key', () => 'one-key'],
    ['different keys', (index: number) => `key-${index}`],
  ])('F17: fifty clicks at once with %s are one invoice and one capture', async (_, keyOf) => {
    await inCluster(async (cluster) => {
      const { call } = cluster.apis[0]!
      const sale = await createSale(call, { stock: 3 })
      const shopper = await createShopper(call)
      await hold(call, sale, shopper)
      const clicks = (
        click: (node: (typeof cluster.apis)[number], key: string) => Promise<Answer>,
      ) =>
        Promise.all(
          Array.from({ length: atOnce }, (_, index) =>
            click(cluster.apis[index % 2]!, keyOf(index)),
          ),
        )

      const checkouts = await clicks((node, key) => checkOut(node.call, shopper, key))
      const made = checkouts.filter(({ status }) => status === 201)
      const invoiceIds = new Set(made.map(invoiceIdOf))
      expect(invoiceIds.size).toBe(1)
      for (const { status, body } of checkouts) {
        if (status !== 201) expect([status, body['code']]).toEqual([409, 'cart_empty'])
      }
      if (keyOf(0) === keyOf(1)) expect(new Set(checkouts.map(({ text }) => text)).size).toBe(1)

      const [invoiceId = ''] = invoiceIds
      const payments = await clicks((node, key) => pay(node.call, shopper, invoiceId, { key }))
      for (const { status, body } of payments) {
        if (status === 409) expect(body['code']).toBe('payment_in_progress')
        else expect([200, 202]).toContain(status)
      }
      const again = await clicks((node, key) => pay(node.call, shopper, invoiceId, { key }))
      expect(new Set(again.map(({ status }) => status))).toEqual(new Set([200]))
      const isCaptured = () => captured(cluster).length > 0
      await until(isCaptured, 10_000, 'the capture')
      expect(cluster.query('select id from invoices')).toEqual([{ id: invoiceId }])
      expect(captured(cluster)).toEqual([invoiceId])
      expect(await readStock(call, sale.productId)).toMatchObject({ sold: 1, held: 0 })
      const [other] = await createShoppers(call, 1)
      expect(tally([await buy(call, sale, other!)])).toEqual({ held: 1 })
    })
  })
})

interface Raced {
  readonly invoiceId: string
  readonly answer: Answer
}

/** Checks out, waits, and pays around the moment of expiry, with a slow provider. */
async function race({ apis }: Cluster, shopper: TestShopper): Promise<Raced> {
  const { call } = apis[Number(random() < 0.5)]!
  const checkout = await checkOut(call, shopper)
  const { invoice } = checkout.body as unknown as { readonly invoice: { readonly dueAt: string } }
  const earlyMs = random() * earlyMsMax - lateMsMax
  await pause(Date.parse(invoice.dueAt) - earlyMs - Date.now())
  const invoiceId = invoiceIdOf(checkout)
  return { invoiceId, answer: await pay(call, shopper, invoiceId) }
}

const earlyMsMax = 300
const lateMsMax = 20

/** Waits until just before a sweep, which comes at each full second of the wall clock. */
const nextSweep = (): Promise<void> => pause((2_000 - beforeSweepMs - (Date.now() % 1_000)) % 1_000)
const beforeSweepMs = 100

const sorted = (raced: readonly Raced[]): readonly string[] =>
  raced.map(({ invoiceId }) => invoiceId).sort()

const idsOf = (cluster: Cluster, status: string): readonly unknown[] =>
  cluster
    .query(`select id from invoices where status = '${status}' order by id`)
    .map(({ id }) => id)

/** Reads the invoice of every capture from the provider's ledger. */
function captured({ paymentsPath }: Cluster): readonly unknown[] {
  const sql = `select invoice_id as id from payments where status = 'captured' order by invoice_id`
  return readRows(paymentsPath, sql).map(({ id }) => id)
}
