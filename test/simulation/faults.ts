import { wait } from '../../src/clock.ts'
import {
  addToCartTopic,
  addToCartResultTopic,
  stockReleasedTopic,
  type SaleQueue,
} from '../../src/messaging/topics.ts'
import { pick } from '../support/random.ts'
import type { Bank } from './bank.ts'
import type { BrokerHost } from './broker-host.ts'
import type { Cluster } from './cluster.ts'
import type { Sale } from './operator.ts'
import type { World } from './world.ts'

export interface FaultContext {
  readonly world: World
  readonly cluster: Cluster
  readonly broker: BrokerHost
  readonly bank: Bank
  readonly sale: Sale
}

/**
 * Draws once a second which faults happen now: pauses, kills of the broker, garbage, a silent
 * provider.
 */
export async function injectFaults(
  context: FaultContext,
  mayContinue: () => boolean,
): Promise<void> {
  const { world, cluster, broker, bank } = context
  const { random } = world
  while (mayContinue()) {
    await wait(world.outside.clock, 1_000)
    if (world.hits('brokerKilledPerSecond')) broker.kill(Math.floor(300 + random() * 2_500))
    if (world.hits('providerDownPerSecond')) bank.goDown(Math.floor(500 + random() * 4_000))
    if (world.hits('pausePerSecond')) cluster.pauseOne()
    if (world.hits('garbagePerSecond')) publishGarbage(context)
  }
}

const selectQueue = `
  select id as "flashSaleId", routing, topic_key as "topicKey" from flash_sales where id = ?`

function queueOf({ observer }: World, sale: Sale): SaleQueue {
  const [queue] = observer.rows<SaleQueue>(selectQueue, sale.flashSaleId)
  if (queue === undefined) throw new Error('the sale is gone')
  return queue
}

const garbage: readonly [string, ...string[]] = ['', '{', 'null', '{"requestId":1}', '\u0000ÿ']

/** Publishes a message that no consumer can read; it must change nothing (I19). */
function publishGarbage({ world, broker, sale }: FaultContext): void {
  const { random, plan } = world
  const [productId = 0] = sale.productIds
  const topic = pick(random, [
    addToCartTopic(queueOf(world, sale), productId),
    addToCartResultTopic(plan.nodes[0]?.name ?? ''),
    stockReleasedTopic,
  ])
  world.trace.note(`garbage for ${topic}`)
  const body = Buffer.from(`${pick(random, garbage)} `)
  broker
    .current()
    ?.publish(topic, [body])
    .catch(() => undefined)
}
