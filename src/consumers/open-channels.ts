import type { Broker, Subscription } from '../broker/broker.ts'
import type { Logger } from '../logger.ts'
import type { Metrics } from '../metrics.ts'
import type { AddToCartConsumer } from './add-to-cart.ts'

export interface ProductChannel {
  readonly topic: string
  readonly channel: string
  readonly productId: number
}

export interface OpenChannel extends ProductChannel {
  readonly subscription: Subscription
  /** The time when its sale was first found to be over, monotonic ms. */
  unwantedSince: number | undefined
}

/** The channels consumed now, and those being closed. */
export interface OpenChannels {
  /** Subscribes to those of these channels that are not open yet. */
  openMissing(wanted: readonly ProductChannel[]): void
  /** Closes a channel in the background, so that the next product need not wait for it. */
  close(channel: OpenChannel): void
  all(): Iterable<OpenChannel>
  /**
   * Deletes the topics whose channels are all closed, in the background and again until the broker
   * has done it: an nsqd that does not answer must not keep a new sale waiting.
   */
  deleteFinishedTopics(): void
  /** Closes everything and waits for it. */
  stop(): Promise<void>
}

export interface OpenChannelsOptions {
  readonly broker: Broker
  readonly consumer: AddToCartConsumer
  readonly metrics: Metrics
  readonly logger: Logger
}

/** This many messages in flight allow batches of some hundreds while a transaction runs. */
const inFlightMax = 500
/** Over all channels, about: what a worker has in hand while the database is away takes memory. */
const totalInFlightMax = 50_000
/** With so few a channel still makes batches. */
const inFlightMin = 10
const deletingMax = 8

export const channelKey = ({ topic, channel }: ProductChannel): string => `${topic}/${channel}`

export function createOpenChannels(options: OpenChannelsOptions): OpenChannels {
  const { broker, consumer, metrics, logger } = options
  const opened = new Map<string, OpenChannel>()
  const closings = new Set<Promise<void>>()
  const finishedTopics = new Set<string>()
  const deleting = new Set<Promise<unknown>>()
  let isFailing = false

  function openMissing(wanted: readonly ProductChannel[]): void {
    const share = Math.floor(totalInFlightMax / Math.max(wanted.length, 1))
    const inFlight = Math.max(inFlightMin, Math.min(inFlightMax, share))
    for (const channel of wanted) {
      if (!opened.has(channelKey(channel))) open(channel, inFlight)
    }
  }

  function open(wanted: ProductChannel, inFlight: number): void {
    const { topic, channel, productId } = wanted
    const subscription = broker.subscribe({
      topic,
      channel,
      inFlightMax: inFlight,
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

  function deleteFinishedTopics(): void {
    if (finishedTopics.size === 0 || deleting.size > 0) return
    const inUse = new Set([...opened.values()].map(({ topic }) => topic))
    for (const topic of finishedTopics) {
      if (deleting.size === deletingMax) return
      if (inUse.has(topic)) finishedTopics.delete(topic)
      else deleteTopic(topic)
    }
  }

  function deleteTopic(topic: string): void {
    const deletion = broker
      .deleteTopic(topic)
      .then(() => {
        finishedTopics.delete(topic)
        isFailing = false
      })
      .catch((error: unknown) => {
        if (!isFailing) logger.warn({ err: error, topic }, 'topic not deleted, trying again')
        isFailing = true
      })
      .finally(() => deleting.delete(deletion))
    deleting.add(deletion)
  }

  return {
    openMissing,
    close,
    deleteFinishedTopics,
    all: () => opened.values(),
    async stop() {
      for (const { subscription } of opened.values()) closings.add(subscription.close())
      opened.clear()
      await Promise.all([...closings, ...deleting, consumer.stop()])
    },
  }
}
