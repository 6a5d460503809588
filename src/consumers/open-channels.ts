import type { Broker, Subscription } from '../broker/broker.ts'
import type { Metrics } from '../metrics.ts'
import type { AddToCartConsumer } from './add-to-cart.ts'

export interface ProductChannel {
  readonly topic: string
  readonly channel: string
  readonly productId: number
}

export interface OpenChannel extends ProductChannel {
  readonly subscription: Subscription
  /** When its sale was first found to be over, monotonic ms. */
  unwantedSince: number | undefined
}

/** The channels consumed now, and those being closed. */
export interface OpenChannels {
  has(channel: ProductChannel): boolean
  open(channel: ProductChannel): void
  /** Drains in the background: the next product must not wait for it. */
  close(channel: OpenChannel): void
  all(): readonly OpenChannel[]
  /** Deletes the topics of sales that are over, again until the broker has done it. */
  deleteFinishedTopics(): Promise<void>
  /** Closes everything and waits for it. */
  stop(): Promise<void>
}

export interface OpenChannelsOptions {
  readonly broker: Broker
  readonly consumer: AddToCartConsumer
  readonly metrics: Metrics
}

/** Enough for batches of some hundreds while one transaction runs. */
const inFlightMax = 500

export const channelKey = ({ topic, channel }: ProductChannel): string => `${topic}/${channel}`

export function createOpenChannels(options: OpenChannelsOptions): OpenChannels {
  const { broker, consumer, metrics } = options
  const opened = new Map<string, OpenChannel>()
  const closings = new Set<Promise<void>>()
  const finishedTopics = new Set<string>()

  function open(wanted: ProductChannel): void {
    const { topic, channel, productId } = wanted
    const subscription = broker.subscribe({
      topic,
      channel,
      inFlightMax,
      onMessage: (message) => {
        consumer.receive(topic, productId, message)
      },
    })
    opened.set(channelKey(wanted), { ...wanted, subscription, unwantedSince: undefined })
  }

  function close(over: OpenChannel): void {
    const { topic, channel, subscription } = over
    opened.delete(channelKey(over))
    metrics.queueLag.remove({ topic, channel })
    const closing = subscription.close().then(() => {
      closings.delete(closing)
      finishedTopics.add(topic)
    })
    closings.add(closing)
  }

  async function deleteFinishedTopics(): Promise<void> {
    for (const topic of finishedTopics) {
      const inUse = [...opened.values()].some((each) => each.topic === topic)
      if (!inUse) await broker.deleteTopic(topic)
      finishedTopics.delete(topic)
    }
  }

  return {
    has: (wanted) => opened.has(channelKey(wanted)),
    open,
    close,
    deleteFinishedTopics,
    all: () => [...opened.values()],
    async stop() {
      for (const { subscription } of opened.values()) closings.add(subscription.close())
      opened.clear()
      await Promise.all([...closings, consumer.stop()])
    },
  }
}
