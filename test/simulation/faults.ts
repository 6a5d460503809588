import { wait } from '../../src/clock.ts'
import {
  addToCartTopic,
  addToCartResultTopic,
  stockReleasedTopic,
} from '../../src/messaging/topics.ts'
import { pick } from '../support/turns.ts'
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

/** What goes wrong by itself, once a second. */
export async function injectFaults(stage: FaultContext, goesOn: () => boolean): Promise<void> {
  const { world, cluster, broker, bank } = stage
  const { random } = world
  while (goesOn()) {
    await wait(world.outside.clock, 1_000)
    if (world.hits('brokerKilledPerSecond')) broker.kill(Math.floor(300 + random() * 2_500))
    if (world.hits('providerDownPerSecond')) bank.goDown(Math.floor(500 + random() * 4_000))
    if (world.hits('pausePerSecond')) cluster.pauseOne()
    if (world.hits('garbagePerSecond')) publishGarbage(stage)
  }
}

const garbage: readonly [string, ...string[]] = ['', '{', 'null', '{"requestId":1}', '\u0000ÿ']

/** Whatever it is, it changes nothing (I19). */
function publishGarbage({ world, broker, sale }: FaultContext): void {
  const { random, plan } = world
  const [productId = 0] = sale.productIds
  const topic = pick(random, [
    addToCartTopic(plan.routing, sale.flashSaleId, productId),
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
