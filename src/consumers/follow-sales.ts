import type { Broker, Subscription } from '../broker/broker.ts'
import type { Cancel, Clock } from '../clock.ts'
import type { Database } from '../db/database.ts'
import { readUnfinishedSales } from '../db/flash-sales.ts'
import type { Service } from '../lifecycle.ts'
import type { Logger } from '../logger.ts'
import { addToCartChannel, addToCartTopic, type AddToCartRouting } from '../messages.ts'
import type { Metrics } from '../metrics.ts'
import type { AddToCartConsumer } from './add-to-cart.ts'
import type { SoldOutGate } from './sold-out-gate.ts'

/**
 * Opens a consumer for every product of every sale that runs or is about to, and closes it when the
 * sale is over.
 */
export interface FollowSalesOptions {
  readonly database: Database
  readonly broker: Broker
  readonly consumer: AddToCartConsumer
  readonly gate: SoldOutGate
  readonly clock: Clock
  readonly logger: Logger
  readonly metrics: Metrics
  readonly routing: AddToCartRouting
  /** How long after its end a sale's requests are still answered, ms. */
  readonly graceMs: number
}

const followEveryMs = 250
const opensBeforeStartMs = 60_000
/** Enough for batches of some hundreds while one transaction runs. */
const inFlightMax = 500

export interface ConsumedChannel {
  readonly topic: string
  readonly channel: string
}

interface OpenConsumer extends ConsumedChannel {
  readonly productId: number
  readonly subscription: Subscription
}

export interface FollowSales extends Service {
  /** Follows once, now. */
  follow(): Promise<void>
  /** Topics and channels consumed now. */
  channels(): readonly ConsumedChannel[]
}

export function createFollowSales(options: FollowSalesOptions): FollowSales {
  const { database, broker, consumer, gate, clock, logger, metrics, routing } = options
  const open = new Map<string, OpenConsumer>()
  const finishedTopics = createFinishedTopics(broker)
  let cancel: Cancel = () => undefined
  let following: Promise<void> | undefined

  function follow(): Promise<void> {
    following ??= followOnce().finally(() => {
      following = undefined
    })
    return following
  }

  async function followOnce(): Promise<void> {
    const now = clock.now()
    const sales = await database.read(() => readUnfinishedSales(now - options.graceMs))
    const wanted = new Set<string>()
    for (const sale of sales) {
      if (sale.startsAt - opensBeforeStartMs > now) continue
      for (const { productId } of sale.products) {
        const topic = addToCartTopic(routing, sale.id, productId)
        const channel = addToCartChannel(routing, productId)
        wanted.add(`${topic}/${channel}`)
        if (!open.has(`${topic}/${channel}`)) openConsumer(topic, channel, productId)
      }
    }
    for (const [key, each] of open) if (!wanted.has(key)) await closeConsumer(key, each)
    await finishedTopics.delete(new Set([...open.values()].map(({ topic }) => topic)))
  }

  function openConsumer(topic: string, channel: string, productId: number): void {
    const subscription = broker.subscribe({
      topic,
      channel,
      inFlightMax,
      onMessage: (message) => {
        consumer.receive(topic, productId, message)
      },
    })
    open.set(`${topic}/${channel}`, { productId, topic, channel, subscription })
  }

  async function closeConsumer(key: string, each: OpenConsumer): Promise<void> {
    open.delete(key)
    gate.forget(each.productId)
    metrics.queueLag.remove({ topic: each.topic, channel: each.channel })
    await each.subscription.close()
    finishedTopics.add(each.topic)
  }

  const followQuietly = (): Promise<void> =>
    follow().catch((error: unknown) => {
      logger.warn({ err: error }, 'following the sales failed, will try again')
    })

  return {
    name: 'add-to-cart consumers',
    follow,
    channels: () => [...open.values()],
    start() {
      cancel = clock.every(followEveryMs, () => void followQuietly())
      return followQuietly()
    },
    async stop() {
      cancel()
      await following?.catch(() => undefined)
      const closing = [...open.values()].map(({ subscription }) => subscription.close())
      open.clear()
      await Promise.all([...closing, consumer.stop()])
    },
  }
}

/** Topics of sales that are over, deleted as soon as nothing consumes them and the broker answers. */
function createFinishedTopics(broker: Broker) {
  const finished = new Set<string>()
  return {
    add(topic: string): void {
      finished.add(topic)
    },
    async delete(inUse: ReadonlySet<string>): Promise<void> {
      for (const topic of finished) {
        if (!inUse.has(topic)) await broker.deleteTopic(topic)
        finished.delete(topic)
      }
    },
  }
}
