import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { requireNsqd } from '../../scripts/nsqd-process.ts'
import { Sqlite } from '../../src/db/sqlite/driver.ts'
import { addToCart, buy, tally, tallyAnswers, type Attempt } from '../support/buyers.ts'
import { startCluster, type Cluster, type ClusterOptions } from '../support/cluster.ts'
import { expectAuditClean, readStock } from '../support/expectations.ts'
import type { Call } from '../support/http.ts'
import { metric, readChannels } from '../support/nsqd-stats.ts'
import { createSale, createShoppers, type TestSale, type TestShopper } from '../support/sale.ts'
import { untilReady, type TestProcess } from '../support/start-process.ts'
import { until } from '../support/until.ts'

const nsqdBinary = await requireNsqd()
const buyers = 40
const units = 10
const takenOverWithinMs = 60_000

/** Tests the faults of the worker, F1, F2, F10 and F14, with real processes and a real nsqd. */
describe.skipIf(nsqdBinary === undefined)('when the worker dies', () => {
  let cluster: Cluster
  let api: TestProcess
  let call: Call
  let sale: TestSale

  async function start(options: Omit<ClusterOptions, 'nsqdBinary'> = {}): Promise<void> {
    cluster = await startCluster({ nsqdBinary: nsqdBinary ?? '', ...options })
    api = cluster.apis[0]!
    call = api.call
  }

  /** Sends add-to-cart requests whose messages are in the hands of a worker that cannot commit. */
  async function requestsInFlight(): Promise<readonly Promise<Attempt>[]> {
    const shoppers = await createShoppers(call, buyers)
    const unlock = cluster.lockDatabase()
    const attempts = shoppers.map((shopper) => buy(call, sale, shopper))
    await until(() => inFlight(cluster, buyers), 10_000, 'the messages reaching the worker')
    unlockLater = unlock
    return attempts
  }

  let unlockLater: () => void = () => undefined

  /**
   * Repeats `too_late` answers: nsqd may still deliver a message to the dead worker, and then
   * again.
   */
  async function buyFromTheNext(shopper: TestShopper, key: string): Promise<string> {
    const askedAt = performance.now()
    let outcome = 'too_late'
    const isInTime = async (): Promise<boolean> => {
      outcome = (await buy(call, sale, shopper, { key })).outcome
      return outcome !== 'too_late'
    }
    await until(isInTime, takenOverWithinMs, 'the next worker')
    expect(performance.now() - askedAt).toBeLessThan(takenOverWithinMs)
    return outcome
  }

  beforeEach(() => {
    unlockLater = () => undefined
  })

  afterEach(async () => {
    await cluster.stop()
  })

  it('F1: before its commit, nothing has moved and every request ends held once, refused or pending', async () => {
    await start()
    sale = await createSale(call, { stock: units })
    await until(() => hasConsumer(cluster), 10_000, 'the consumer')
    const attempts = await requestsInFlight()
    await cluster.workers[0]!.kill()
    unlockLater()
    expect(await readStock(call, sale.productId)).toMatchObject({ available: units, held: 0 })
    await cluster.startWorker()
    const counts = tally(await Promise.all(attempts))
    const { held } = await readStock(call, sale.productId)
    expect(counts['held'] ?? 0).toBe(held)
    expect(Object.values(counts).reduce((sum, count) => sum + count, 0)).toBe(buyers)
    expect(held).toBeLessThanOrEqual(units)
    await expectAuditClean(call)
  })

  it('F1: those who asked while it was away hear from the next one what they would have heard anyway', async () => {
    await start({ environment: { ADD_TO_CART_WAIT_MS: '20000' } })
    sale = await createSale(call, { stock: units })
    await until(() => hasConsumer(cluster), 10_000, 'the consumer')
    const shoppers = await createShoppers(call, 200)
    await cluster.workers[0]!.kill()
    const asked = shoppers.map((shopper) => addToCart(call, sale, shopper))
    await until(() => isQueued(cluster, shoppers.length), 10_000, 'the messages in the queue')
    await cluster.startWorker()
    expect(tallyAnswers(await Promise.all(asked))).toEqual({
      '201': units,
      '409 sold_out': shoppers.length - units,
    })
    await expectAuditClean(call)
  })

  it('F2: after its commit and before the reply, the hold exists once and the same key gets it', async () => {
    await start({ environment: { ADD_TO_CART_WAIT_MS: '1500' } })
    sale = await createSale(call, { stock: units })
    await until(() => hasConsumer(cluster), 10_000, 'the consumer')
    const [shopper] = await createShoppers(call, 1)
    const key = 'my-one-and-only-key'
    const unlock = cluster.lockDatabase()
    const first = addToCart(call, sale, shopper!, { key })
    await until(() => inFlight(cluster, 1), 10_000, 'the message reaching the worker')
    await cluster.nsqd.pause()
    unlock()
    await until(() => heldRows(cluster) === 1, 5_000, 'the commit')
    await cluster.workers[0]!.kill()
    cluster.nsqd.resume()
    // nsqd may find the reply in its socket when it continues, although its sender is dead.
    expect([201, 202, 503]).toContain((await first).status)
    await cluster.startWorker()
    await untilReady(api)
    const retry = await buy(call, sale, shopper!, { key })
    expect(retry.outcome).toBe('held')
    expect(retry.reservationId).toBe(cluster.query('select id from reservations')[0]?.['id'])
    expect(heldRows(cluster)).toBe(1)
    await expectAuditClean(call)
  })

  it('F10: a second worker stands by and takes over within seconds', async () => {
    await start({ workers: 2 })
    sale = await createSale(call, { stock: units })
    await until(() => hasConsumer(cluster), 10_000, 'the consumer')
    const shoppers = await createShoppers(call, 4)
    expect((await buy(call, sale, shoppers[0]!)).outcome).toBe('held')
    expect((await buy(call, sale, shoppers[1]!)).outcome).toBe('held')
    // Either worker may consume. After one kill each, one that started later has taken over.
    await cluster.workers[0]!.kill()
    expect(await buyFromTheNext(shoppers[2]!, 'after-one-kill')).toBe('held')
    await cluster.startWorker()
    await cluster.workers[1]!.kill()
    expect(await buyFromTheNext(shoppers[3]!, 'after-two-kills')).toBe('held')
    expect(await readStock(call, sale.productId)).toMatchObject({ held: 4 })
    await expectAuditClean(call)
  })

  it('F10: with the limit lifted two workers sell one product together and never oversell', async () => {
    await start({ workers: 2, nsqdFlags: { 'max-channel-consumers': '0' } })
    sale = await createSale(call, { stock: units })
    await until(() => consumers(cluster).then((count) => count === 2), 10_000, 'both consumers')
    const shoppers = await createShoppers(call, 200)
    const attempts = await Promise.all(shoppers.map((shopper) => buy(call, sale, shopper)))
    expect(tally(attempts)).toEqual({ held: units, sold_out: 200 - units })
    expect(await readStock(call, sale.productId)).toMatchObject({ available: 0, held: units })
    for (const worker of cluster.workers) expect(await requestsDecided(worker)).toBeGreaterThan(0)
    await expectAuditClean(call)
  })

  it('F14: two sweepers, one killed half way, end each hold once', async () => {
    // A sweep ends 200 holds per transaction.
    const holds = 2_000
    await start({ workers: 2 })
    sale = await createSale(call, { stock: holds })
    await until(() => hasConsumer(cluster), 10_000, 'the consumer')
    const shoppers = await createShoppers(call, holds)
    const attempts = await Promise.all(shoppers.map((shopper) => buy(call, sale, shopper)))
    expect(tally(attempts)).toEqual({ held: holds })
    endTheirTime(cluster)
    await until(() => heldRows(cluster) < holds, 15_000, 'the first expiry', 1)
    for (const worker of cluster.workers) worker.signal('SIGSTOP')
    await cluster.workers[0]!.kill()
    const left = heldRows(cluster)
    expect(left).toBeGreaterThan(0)
    expect(left).toBeLessThan(holds)
    cluster.workers[1]!.signal('SIGCONT')
    await until(() => heldRows(cluster) === 0, 15_000, 'the expiry of all')
    const endings = cluster.query(`select kind, count(*) as count from stock_movements
      where reservation_id is not null group by kind order by kind`)
    expect(endings).toEqual([
      { kind: 'expired', count: holds },
      { kind: 'held', count: holds },
    ])
    expect(await readStock(call, sale.productId)).toMatchObject({ available: holds, held: 0 })
    await expectAuditClean(call)
  })
})

function heldRows(cluster: Cluster): number {
  const [row] = cluster.query(`select count(*) as count from reservations where status = 'held'`)
  return Number(row?.['count'])
}

/** Ends the time of all holds at once, so that one sweep finds all of them. */
function endTheirTime({ databasePath }: Cluster): void {
  const connection = new Sqlite(databasePath, { timeout: 5_000 })
  connection.exec('update reservations set expires_at = created_at + 1')
  connection.close()
}

const requestsDecided = async ({ call }: TestProcess): Promise<number> =>
  metric((await call('GET', '/metrics')).text, 'holdfast_reserve_requests_total')

const inFlight = async (cluster: Cluster, count: number): Promise<boolean> =>
  (await readChannels(cluster.nsqd)).inFlight >= count

const isQueued = async (cluster: Cluster, count: number): Promise<boolean> =>
  (await readChannels(cluster.nsqd)).depth >= count

const consumers = async (cluster: Cluster): Promise<number> =>
  (await readChannels(cluster.nsqd)).consumers

const hasConsumer = async (cluster: Cluster): Promise<boolean> => (await consumers(cluster)) > 0
