import { afterEach, describe, expect, it } from 'vitest'
import { requireNsqd, startNsqd } from '../../scripts/nsqd-process.ts'
import { createSignedCodec } from '../../src/messaging/envelope.ts'
import { addToCartTopic } from '../../src/messaging/topics.ts'
import { addToCart, buy, tally, tallyAnswers } from '../support/buyers.ts'
import { startCluster, type Cluster } from '../support/cluster.ts'
import { expectAuditClean, readStock } from '../support/expectations.ts'
import type { Call } from '../support/http.ts'
import { metric, readChannels } from '../support/nsqd-stats.ts'
import { residentMb } from '../support/process-vitals.ts'
import { createSale, createShoppers } from '../support/sale.ts'
import { queueOf } from '../support/sale-queue.ts'
import { testJwtSecret } from '../support/start-app.ts'
import { startProcess, untilReady, type TestProcess } from '../support/start-process.ts'
import { createTemporaryFolder } from '../support/temporary-folder.ts'
import { until } from '../support/until.ts'

const nsqdBinary = await requireNsqd()
const binary = nsqdBinary ?? ''
const readyWithinMs = 2_000
/** A 503 comes before this: the deadline of a publish is 1 s. Later answers are 202. */
const waitMsOfSilence = 3_000
const grownMbMax = 100

/** Tests the faults of the broker, F5, F6, F7 and F18, with real processes and a real nsqd. */
describe.skipIf(nsqdBinary === undefined)('when nsqd is away', () => {
  const stops: (() => Promise<void>)[] = []

  afterEach(async () => {
    for (const stop of stops.splice(0).reverse()) await stop()
  })

  async function start(waitMs: number): Promise<Cluster> {
    const environment = { ADD_TO_CART_WAIT_MS: String(waitMs), ADD_TO_CART_MAX_AGE_MS: '4000' }
    const cluster = await startCluster({ nsqdBinary: binary, environment })
    stops.push(() => cluster.stop())
    return cluster
  }

  it('F6: absent at start, the node is alive, not ready, refuses with 503 and is ready within 2 s of its coming', async () => {
    const before = await startNsqd({ binary })
    const { tcpAddress, httpAddress } = before
    await before.stop()
    const folder = createTemporaryFolder()
    const environment = {
      BROKER: 'nsq',
      NSQD_TCP_ADDRESSES: tcpAddress,
      NSQD_HTTP_ADDRESSES: httpAddress,
      DATABASE_PATH: `${folder.path}/holdfast.db`,
      PAYMENT_SIMULATOR_PATH: `${folder.path}/payment-simulator.db`,
    }
    const node: TestProcess = await startProcess(environment)
    stops.push(async () => {
      await node.stop()
      folder.remove()
    })
    expect((await node.call('GET', '/livez')).status).toBe(200)
    expect((await node.call('GET', '/readyz')).status).toBe(503)
    const sale = await createSale(node.call, { stock: 5 })
    const [shopper] = await createShoppers(node.call, 1)
    const refused = await addToCart(node.call, sale, shopper!)
    expect(refused.status).toBe(503)
    expect(refused.headers.get('content-type')).toBe('application/problem+json')
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)

    const port = (address: string): number => Number(address.split(':')[1])
    const tcpPort = port(tcpAddress)
    const nsqd = await startNsqd({ binary, tcpPort, httpPort: port(httpAddress) })
    stops.push(() => nsqd.dispose())
    await untilReady(node, readyWithinMs)
    expect((await buy(node.call, sale, shopper!)).outcome).toBe('held')
  })

  it('F7: silent with its connections open, it costs everybody a 503 by the deadline and no memory, and all is well when it goes on', async () => {
    const cluster = await start(waitMsOfSilence)
    const [api] = cluster.apis
    const { call, pid } = api!
    const sale = await createSale(call, { stock: 50 })
    const shoppers = await createShoppers(call, 400)
    expect((await buy(call, sale, shoppers[0]!)).outcome).toBe('held')
    await cluster.nsqd.pause()
    const before = residentMb(pid)
    const waves = [1, 2, 3].map((wave) =>
      shoppers.map(async (shopper) => {
        const key = `wave-${wave}-${shopper.id}`
        const { status, headers } = await addToCart(call, sale, shopper, { key })
        return { status, retryAfter: headers.get('retry-after') }
      }),
    )
    const answers = await Promise.all(waves.flat())
    for (const { status, retryAfter } of answers) {
      expect(status).toBe(503)
      expect(Number(retryAfter)).toBeGreaterThan(0)
    }
    expect(residentMb(pid) - before).toBeLessThan(grownMbMax)
    expect(await pendingReplies(call)).toBe(0)
    const { status, text } = await call('GET', '/readyz')
    expect([status, text]).toEqual([503, expect.stringContaining('broker')])
    cluster.nsqd.resume()
    await untilReady(api!, 5_000)
    // These 1,200 were published without an answer, so each may still be handled once.
    const attempts = await Promise.all(
      shoppers.map((shopper) => buy(call, sale, shopper, { key: `wave-1-${shopper.id}` })),
    )
    expect(tally(attempts)['held']).toBeLessThanOrEqual(50)
    const { available, held } = await readStock(call, sale.productId)
    expect([available, held]).toEqual([0, 50])
    await expectAuditClean(call)
  })

  it('F5: killed and restarted under load, it answers 202 or 503 meanwhile, is ready within 2 s of its being back, and oversells or leaks nothing', async () => {
    const cluster = await start(1_000)
    const [api] = cluster.apis
    const [worker] = cluster.workers
    const { call } = api!
    const units = 100
    const sale = await createSale(call, { stock: units })
    const shoppers = await createShoppers(call, 300)
    const half = shoppers.slice(0, 150).map((shopper) => buy(call, sale, shopper))
    await until(async () => (await readStock(call, sale.productId)).held > 0, 10_000, 'first holds')
    await cluster.nsqd.kill()
    const rest = shoppers.slice(150).map((shopper) => buy(call, sale, shopper))
    const isAway = async ({ call: ask }: TestProcess) =>
      (await ask('GET', '/readyz')).status === 503
    await until(() => isAway(api!), 5_000, 'the api seeing it')
    await until(() => isAway(worker!), 5_000, 'the worker seeing it')
    await cluster.nsqd.restart()
    await Promise.all([untilReady(api!, readyWithinMs), untilReady(worker!, readyWithinMs)])
    const attempts = await Promise.all([...half, ...rest])
    const statuses = new Set(attempts.map(({ first }) => first.status))
    expect([...statuses].filter((status) => ![201, 202, 409, 503].includes(status))).toEqual([])
    const { held, available } = await readStock(call, sale.productId)
    const told = tally(attempts)
    expect(told['held'] ?? 0).toBeLessThanOrEqual(held)
    expect(held + available).toBe(units)
    const reservations = cluster.query(`select id from reservations where status = 'held'`)
    const ids = new Set(reservations.map(({ id }) => id))
    for (const attempt of attempts) {
      if (attempt.outcome === 'held') expect(ids).toContain(attempt.reservationId)
    }
    await expectAuditClean(call)
  })
})

describe.skipIf(nsqdBinary === undefined)('when nsqd goes with outcomes untold', () => {
  const ways = [
    // nsqd forgets its messages, and the worker has them in hand.
    ['killed', (cluster: Cluster) => cluster.nsqd.kill()],
    // nsqd keeps the messages and delivers them again after the worker has told their outcomes.
    ['stopped', (cluster: Cluster) => cluster.nsqd.stop()],
  ] as const

  it.each(ways)('F5: %s, it costs those who wait nothing but time', async (_how, end) => {
    const environment = { ADD_TO_CART_WAIT_MS: '20000' }
    const cluster = await startCluster({ nsqdBinary: binary, environment })
    try {
      const { call } = cluster.apis[0]!
      const [units, buyers] = [10, 40]
      const sale = await createSale(call, { stock: units })
      const shoppers = await createShoppers(call, buyers)
      const unlock = cluster.lockDatabase()
      const asked = shoppers.map((shopper) => addToCart(call, sale, shopper))
      const inHand = async () => (await readChannels(cluster.nsqd)).inFlight === buyers
      await until(inHand, 10_000, 'the messages leaving nsqd')
      // Answers of the worker prove that its loop has read its sockets since: a kill drops what lies unread.
      for (let turn = 0; turn < 2; turn += 1) await cluster.workers[0]!.call('GET', '/livez')
      await end(cluster)
      unlock()
      const isSold = async () => (await readStock(call, sale.productId)).available === 0
      await until(isSold, 10_000, 'the commit')
      await cluster.nsqd.restart()
      expect(tallyAnswers(await Promise.all(asked))).toEqual({
        '201': units,
        '409 sold_out': buyers - units,
      })
      await expectAuditClean(call)
    } finally {
      await cluster.stop()
    }
  })
})

describe.skipIf(nsqdBinary === undefined)('when somebody writes nonsense to the topics', () => {
  it('F18: it changes nothing, is counted and parked, and the consumers go on', async () => {
    const cluster = await startCluster({ nsqdBinary: binary })
    try {
      const { call } = cluster.apis[0]!
      const sale = await createSale(call, { stock: 5 })
      const [shopper] = await createShoppers(call, 1)
      expect((await buy(call, sale, shopper!)).outcome).toBe('held')
      const before = databaseDump(cluster)
      const topic = addToCartTopic(queueOf(cluster, sale.flashSaleId), sale.productId)
      const garbage = nonsense(topic, { ...sale, userId: shopper!.id })
      for (const body of garbage) {
        await publish(cluster, topic, body)
        await publish(cluster, 'stock_released', body)
        await publish(cluster, `add_to_cart_result.${await nodeId(cluster)}#ephemeral`, body)
      }
      const unreadable = async ({ call: ask }: TestProcess): Promise<number> =>
        metric((await ask('GET', '/metrics')).text, 'holdfast_messages_unreadable_total')
      for (const process of [cluster.workers[0]!, cluster.apis[0]!]) {
        const areCounted = async () => (await unreadable(process)) >= garbage.length * 2
        await until(areCounted, 10_000, 'the count')
      }
      await until(async () => (await parked(cluster)) >= garbage.length, 10_000, 'the parking')
      expect(databaseDump(cluster)).toEqual(before)
      const key = 'still-selling'
      expect((await buy(call, sale, shopper!, { key })).outcome).toBe('held')
      await expectAuditClean(call)
    } finally {
      await cluster.stop()
    }
  })
})

async function pendingReplies(call: Call): Promise<number> {
  return metric((await call('GET', '/metrics')).text, 'holdfast_pending_replies')
}

/**
 * Makes bad messages: corrupt, truncated, binary, huge, forged, replayed, of an unknown version or
 * key.
 */
function nonsense(topic: string, wish: { flashSaleId: number; productId: number; userId: number }) {
  const message = {
    requestId: '0197a1b2-0000-7000-8000-000000000001',
    userUid: 'f'.repeat(32),
    idempotencyKey: 'forged',
    quantity: 1,
    nodeId: 'node',
    sentAt: 1_900_000_000_000,
    ...wish,
  }
  const forger = createSignedCodec([{ id: 'dev', secret: 'not the secret of this shop' }])
  const stranger = createSignedCodec([{ id: 'other', secret: 'not the secret of this shop' }])
  const forged = forger.seal('add_to_cart', topic, message)
  const ours = createSignedCodec([{ id: 'dev', secret: `messages:${testJwtSecret}` }])
  return [
    ours.seal('add_to_cart', `${topic}0`, message),
    Buffer.from('{"productId":'),
    Buffer.from([0, 255, 254, 0, 10, 13, 0]),
    Buffer.alloc(1024 * 1024 - 1, 'x'),
    forged,
    forged.subarray(0, forged.length - 20),
    stranger.seal('add_to_cart', topic, message),
    Buffer.from(forged.toString().replace(/^h1\./, 'h9.')),
    Buffer.from(JSON.stringify(message)),
  ]
}

async function publish(cluster: Cluster, topic: string, body: Buffer): Promise<void> {
  const url = `http://${cluster.nsqd.httpAddress}/pub?topic=${encodeURIComponent(topic)}`
  const response = await fetch(url, { method: 'POST', body: new Uint8Array(body) })
  expect(response.status).toBe(200)
}

interface Stats {
  readonly topics: readonly { topic_name: string; message_count: number }[]
}

async function stats(cluster: Cluster): Promise<Stats['topics']> {
  const response = await fetch(`http://${cluster.nsqd.httpAddress}/stats?format=json`)
  return ((await response.json()) as Stats).topics
}

async function parked(cluster: Cluster): Promise<number> {
  const topics = await stats(cluster)
  return topics.find(({ topic_name }) => topic_name === 'parked_messages')?.message_count ?? 0
}

/** Reads the API node's name from its result topic. */
async function nodeId(cluster: Cluster): Promise<string> {
  for (const { topic_name } of await stats(cluster)) {
    const match = /^add_to_cart_result\.(.*)#ephemeral$/.exec(topic_name)
    if (match?.[1] !== undefined) return match[1]
  }
  throw new Error('no result topic')
}

function databaseDump(cluster: Cluster): unknown {
  const tables = cluster.query(`select name from sqlite_schema where type = 'table'
     and name <> 'worker_heartbeats' order by name`)
  return tables.map(({ name }) => [name, cluster.query(`select * from ${String(name)}`)])
}
