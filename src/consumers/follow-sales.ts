import type { Broker } from '../broker/broker.ts'
import type { Cancel, Clock } from '../clock.ts'
import type { Database } from '../db/database.ts'
import type { AddToCartRoutingSetting } from '../domain/flash-sale.ts'
import type { Service } from '../lifecycle.ts'
import type { Logger } from '../logger.ts'
import { createCurrentSales } from '../messaging/current-sales.ts'
import { addToCartChannel, addToCartTopic } from '../messaging/topics.ts'
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
  /** Returns the channels that are consumed now. */
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
  readonly random: () => number
  readonly routing: AddToCartRoutingSetting
  /**
   * A sale that is over is consumed for this long, ms, because API nodes learn of its end a little
   * later.
   */
  readonly graceMs: number
}

const followEveryMs = 250
const opensBeforeStartMs = 60_000

export function createFollowSales(options: FollowSalesOptions): FollowSales {
  const { broker, gate, clock, logger, graceMs } = options
  const currentSales = createCurrentSales(options)
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
    // A worker that cannot publish outcomes leaves the messages to one that can.
    if (broker.status().ready) channels.openMissing(wanted)
    closeFinished(new Set(wanted.map(channelKey)))
    channels.deleteFinishedTopics()
  }

  function closeFinished(wanted: ReadonlySet<string>): void {
    const closed: OpenChannel[] = []
    for (const channel of channels.all()) {
      if (isOver(channel, wanted.has(channelKey(channel)))) closed.push(channel)
    }
    if (closed.length === 0) return
    for (const channel of closed) channels.close(channel)
    // The next sale of a product may be running already.
    const open = new Set([...channels.all()].map(({ productId }) => productId))
    for (const { productId } of closed) if (!open.has(productId)) gate.forget(productId)
  }

  async function readWanted(): Promise<readonly ProductChannel[]> {
    const now = clock.now()
    const sales = await currentSales.read(now + opensBeforeStartMs, now)
    return sales.flatMap((sale) =>
      sale.productIds.map((productId) => ({
        topic: addToCartTopic(sale, productId),
        channel: addToCartChannel(sale, productId),
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
    channels: () => [...channels.all()],
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
