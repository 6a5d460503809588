import type { Cancel } from '../../clock.ts'
import {
  assertBody,
  assertName,
  BrokerUnavailableError,
  type Broker,
  type BrokerStatus,
  type SubscribeOptions,
  type Subscription,
} from '../broker.ts'
import {
  EmbeddedChannel,
  type ChannelOptions,
  type Consumer,
  type EmbeddedFaults,
} from './embedded-channel.ts'
import { Fifo } from './fifo.ts'

/**
 * The broker port inside one process, for `npm start` without a server. It is bounded, redelivers what
 * is not finished in time and has one consumer per channel, as NSQ. In development and tests it also
 * reorders and loses finishes, as NSQ may; in production it does not. Everything is lost on exit.
 */

export interface EmbeddedBrokerOptions extends Pick<ChannelOptions, 'clock' | 'logger' | 'random'> {
  /** Defers a delivery; `setImmediate` unless a simulation decides. */
  readonly defer?: ChannelOptions['defer']
  /** Mistakes made on purpose; none unless given. */
  readonly faults?: ChannelOptions['faults']
  /** A message that is not finished in this time is delivered again. */
  readonly messageTimeoutMs?: number
  readonly drainTimeoutMs?: number
  /**
   * The maximum of messages queued, delivered or waiting, per channel and per topic without
   * channels.
   */
  readonly queuedMessagesMax?: number
  readonly topicsMax?: number
}

/** For development and tests: frequent enough that every day shows each, rare enough not to be felt. */
export const developmentFaults: EmbeddedFaults = { reorderRate: 0.01, lostFinishRate: 0.001 }
export const noFaults: EmbeddedFaults = { reorderRate: 0, lostFinishRate: 0 }

const defaults = {
  defer: (task: () => void): void => {
    setImmediate(task)
  },
  messageTimeoutMs: 10_000,
  drainTimeoutMs: 5_000,
  queuedMessagesMax: 20_000,
  topicsMax: 10_000,
  faults: (): EmbeddedFaults => noFaults,
} as const

/** A consumer of nsqd takes about this long to reconnect after its topic was deleted. */
const reconnectMs = 100

export function createEmbeddedBroker(options: EmbeddedBrokerOptions): Broker {
  return new EmbeddedBroker({ ...defaults, ...options })
}

interface Topic {
  readonly channels: Map<string, EmbeddedChannel>
  /** Messages published while there was no channel; the first channel gets them. */
  readonly backlog: Fifo<Buffer>
}

class EmbeddedBroker implements Broker {
  readonly name = 'embedded broker'
  readonly #settings: Required<EmbeddedBrokerOptions>
  readonly #topics = new Map<string, Topic>()
  readonly #subscriptions = new Set<EmbeddedSubscription>()
  #state: 'not started' | 'started' | 'stopped' = 'not started'
  #stopping: Promise<void> | undefined

  constructor(settings: Required<EmbeddedBrokerOptions>) {
    this.#settings = settings
  }

  start(): Promise<void> {
    if (this.#state === 'not started') this.#state = 'started'
    return Promise.resolve()
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop()
    return this.#stopping
  }

  status(): BrokerStatus {
    return this.#state === 'started' ? { ready: true } : { ready: false, reason: this.#state }
  }

  publish(topicName: string, bodies: readonly Buffer[]): Promise<void> {
    return new Promise((resolve) => {
      assertName(topicName)
      for (const body of bodies) assertBody(body)
      this.#assertStarted()
      if (bodies.length > 0) this.#put(this.#topic(topicName), bodies)
      resolve()
    })
  }

  createChannel(topic: string, channel: string): Promise<void> {
    return new Promise((resolve) => {
      assertName(topic)
      assertName(channel)
      this.#assertStarted()
      this.#channel(topic, channel)
      resolve()
    })
  }

  forgetTopic(): void {
    // Channels are never lost here, so there is nothing to forget.
  }

  deleteTopic(name: string): Promise<void> {
    return new Promise((resolve) => {
      assertName(name)
      this.#assertStarted()
      const topic = this.#topics.get(name)
      this.#topics.delete(name)
      for (const channel of topic?.channels.values() ?? []) channel.destroy()
      for (const subscription of this.#subscriptions) subscription.lostTopic(name)
      resolve()
    })
  }

  subscribe(options: SubscribeOptions): Subscription {
    assertName(options.topic)
    assertName(options.channel)
    if (this.#state === 'stopped') throw new BrokerUnavailableError(this.#state)
    const subscription = new EmbeddedSubscription(options, this.#settings, {
      channel: () => this.#channel(options.topic, options.channel),
      left: (channel) => {
        this.#subscriptions.delete(subscription)
        this.#left(options, channel)
      },
    })
    this.#subscriptions.add(subscription)
    return subscription
  }

  depth(topicName: string, channelName: string): Promise<number | undefined> {
    const topic = this.#topics.get(topicName)
    if (topic === undefined) return Promise.resolve(0)
    return Promise.resolve(topic.backlog.length + (topic.channels.get(channelName)?.depth ?? 0))
  }

  async #stop(): Promise<void> {
    await Promise.all([...this.#subscriptions].map((subscription) => subscription.close()))
    this.#state = 'stopped'
    for (const topic of this.#topics.values()) {
      for (const channel of topic.channels.values()) channel.destroy()
    }
    this.#topics.clear()
  }

  #assertStarted(): void {
    if (this.#state !== 'started') throw new BrokerUnavailableError(this.#state)
  }

  #put(topic: Topic, bodies: readonly Buffer[]): void {
    this.#assertRoom(topic, bodies.length)
    if (topic.channels.size === 0) for (const body of bodies) topic.backlog.push(body)
    for (const channel of topic.channels.values()) {
      for (const body of bodies) channel.put(body)
      channel.schedule()
    }
  }

  /** Throws when one channel is full: then none of the channels gets the messages. */
  #assertRoom(topic: Topic, count: number): void {
    const { queuedMessagesMax } = this.#settings
    let depth = topic.backlog.length
    for (const channel of topic.channels.values()) depth = Math.max(depth, channel.depth)
    if (depth + count > queuedMessagesMax) {
      throw new BrokerUnavailableError(`queue full: ${depth} of ${queuedMessagesMax} messages`)
    }
  }

  #topic(name: string): Topic {
    const existing = this.#topics.get(name)
    if (existing !== undefined) return existing
    if (this.#topics.size >= this.#settings.topicsMax) {
      throw new BrokerUnavailableError(`no more than ${this.#settings.topicsMax} topics`)
    }
    const topic: Topic = { channels: new Map(), backlog: new Fifo() }
    this.#topics.set(name, topic)
    return topic
  }

  #channel(topicName: string, name: string): EmbeddedChannel {
    const topic = this.#topic(topicName)
    const existing = topic.channels.get(name)
    if (existing !== undefined) return existing
    const logger = this.#settings.logger.child({ topic: topicName, channel: name })
    const channel = new EmbeddedChannel({ ...this.#settings, logger })
    topic.channels.set(name, channel)
    for (let body = topic.backlog.shift(); body !== undefined; body = topic.backlog.shift()) {
      channel.put(body)
    }
    return channel
  }

  /**
   * Removes an ephemeral channel after its last consumer, and an ephemeral topic after its last
   * channel.
   */
  #left(options: SubscribeOptions, channel: EmbeddedChannel | undefined): void {
    if (channel === undefined || channel.hasConsumers || !options.channel.endsWith('#ephemeral'))
      return
    const topic = this.#topics.get(options.topic)
    if (topic?.channels.get(options.channel) !== channel) return
    topic.channels.delete(options.channel)
    channel.destroy()
    if (topic.channels.size === 0 && options.topic.endsWith('#ephemeral')) {
      this.#topics.delete(options.topic)
    }
  }
}

interface ChannelAccess {
  /** The channel of the subscription, made if missing. */
  channel(): EmbeddedChannel
  left(channel: EmbeddedChannel | undefined): void
}

class EmbeddedSubscription implements Subscription {
  readonly #topic: string
  readonly #settings: Required<EmbeddedBrokerOptions>
  readonly #access: ChannelAccess
  readonly #consumer: Consumer
  #channel: EmbeddedChannel | undefined
  #closing: Promise<void> | undefined
  #cancelReconnect: Cancel = () => undefined

  constructor(
    options: SubscribeOptions,
    settings: Required<EmbeddedBrokerOptions>,
    access: ChannelAccess,
  ) {
    this.#topic = options.topic
    this.#settings = settings
    this.#access = access
    const { inFlightMax, onMessage } = options
    this.#consumer = { inFlightMax, onMessage, inFlight: 0, state: 'open', whenIdle: noop }
    this.#connect()
  }

  connected(): boolean {
    return this.#consumer.state === 'open' && this.#channel?.isActive(this.#consumer) === true
  }

  isStandby(): boolean {
    const isOpen = this.#consumer.state === 'open' && this.#channel !== undefined
    return isOpen && this.#channel?.isActive(this.#consumer) === false
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  /**
   * Reconnects after a while, as nsqjs does when nsqd deletes a topic; that creates the topic
   * again.
   */
  lostTopic(topic: string): void {
    if (topic !== this.#topic) return
    this.#channel = undefined
    if (this.#consumer.state !== 'open') return
    this.#cancelReconnect = this.#settings.clock.after(reconnectMs, () => {
      this.#connect()
    })
  }

  #connect(): void {
    this.#channel = this.#access.channel()
    this.#channel.attach(this.#consumer)
  }

  async #close(): Promise<void> {
    this.#cancelReconnect()
    this.#consumer.state = 'draining'
    await this.#drained()
    this.#consumer.state = 'closed'
    const channel = this.#channel
    channel?.detach(this.#consumer)
    this.#access.left(channel)
  }

  #drained(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#consumer.inFlight === 0) {
        resolve()
        return
      }
      const cancel = this.#settings.clock.after(this.#settings.drainTimeoutMs, resolve)
      this.#consumer.whenIdle = () => {
        cancel()
        resolve()
      }
    })
  }
}

const noop = (): void => undefined
