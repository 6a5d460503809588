import type { Broker } from '../broker/broker.ts'
import type { Cancel, Clock } from '../clock.ts'
import type { Database } from '../db/database.ts'
import { readUnfinishedSales } from '../db/flash-sales.ts'
import type { Service } from '../lifecycle.ts'
import type { Logger } from '../logger.ts'
import { addToCartChannel, addToCartTopic, type AddToCartRouting } from '../messaging/topics.ts'
import type { Metrics } from '../metrics.ts'
import type { AddToCartConsumer } from './add-to-cart.ts'
import {
  channelKey,
  createOpenChannels,
  type OpenChannel,
  type ProductChannel,
} from './open-channels.ts'
import type { SoldOutGate } from './sold-out-gate.ts'

/**
 * Opens a consumer for every product of every sale that runs or is about to, and closes it when the
 * sale is over.
 */
export interface FollowSales extends Service {
  /** Follows once, now. */
  follow(): Promise<void>
  /** What is consumed now. */
  channels(): readonly ProductChannel[]
}

export interface FollowSalesOptions {
  readonly database: Database
  readonly broker: Broker
  readonly consumer: AddToCartConsumer
  readonly gate: SoldOutGate
  readonly clock: Clock
  readonly logger: Logger
  readonly metrics: Metrics
  readonly routing: AddToCartRouting
  /** How long a sale that is over is still consumed, ms. API nodes hear of it a little later. */
  readonly graceMs: number
}

const followEveryMs = 250
const opensBeforeStartMs = 60_000

export function createFollowSales(options: FollowSalesOptions): FollowSales {
  const { database, broker, gate, clock, logger, routing, graceMs } = options
  const channels = createOpenChannels(options)
  let cancel: Cancel = () => undefined
  let following: Promise<void> | undefined
  let isFailing = false

  function follow(): Promise<void> {
    following ??= followOnce().finally(() => {
      following = undefined
    })
    return following
  }

  async function followOnce(): Promise<void> {
    const wanted = await readWanted()
    // Who cannot publish leaves the messages to a worker that can.
    const opening = broker.status().ready ? wanted : []
    for (const channel of opening) if (!channels.has(channel)) channels.open(channel)
    const wantedKeys = new Set(wanted.map(channelKey))
    for (const channel of channels.all()) {
      if (!isOver(channel, wantedKeys.has(channelKey(channel)))) continue
      channels.close(channel)
      // The next sale of this product may be running already.
      if (!channels.all().some(({ productId }) => productId === channel.productId)) {
        gate.forget(channel.productId)
      }
    }
    await channels.deleteFinishedTopics()
  }

  async function readWanted(): Promise<readonly ProductChannel[]> {
    const now = clock.now()
    const sales = await database.read(() => readUnfinishedSales(now))
    const soon = sales.filter(({ startsAt }) => startsAt - opensBeforeStartMs <= now)
    return soon.flatMap(({ id, products }) =>
      products.map(({ productId }) => ({
        topic: addToCartTopic(routing, id, productId),
        channel: addToCartChannel(routing, productId),
        productId,
      })),
    )
  }

  function isOver(channel: OpenChannel, wanted: boolean): boolean {
    channel.unwantedSince = wanted ? undefined : (channel.unwantedSince ?? clock.monotonic())
    if (channel.unwantedSince === undefined) return false
    return clock.monotonic() - channel.unwantedSince >= graceMs
  }

  async function followQuietly(): Promise<void> {
    try {
      await follow()
      isFailing = false
    } catch (error) {
      if (!isFailing) logger.warn({ err: error }, 'following the sales failed, trying again')
      isFailing = true
    }
  }

  return {
    name: 'add-to-cart consumers',
    follow,
    channels: () => channels.all(),
    start() {
      cancel = clock.every(followEveryMs, () => void followQuietly())
      return followQuietly()
    },
    async stop() {
      cancel()
      await following?.catch(() => undefined)
      await channels.stop()
    },
  }
}
