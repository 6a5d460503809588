import { wait } from '../../src/clock.ts'
import {
  BrokerUnavailableError,
  type Broker,
  type Message,
  type SubscribeOptions,
  type Subscription,
} from '../../src/broker/broker.ts'
import { addToCartResultTopicPrefix } from '../../src/messaging/topics.ts'
import type { BrokerHost } from './broker-host.ts'
import { arriving } from './lossy-line.ts'
import type { Life } from './life.ts'
import { finishedRequest, toldOutcomes } from './messages.ts'
import { never } from './world.ts'

/**
 * Connects one process to the broker over a line that loses, delays and repeats messages. It
 * reconnects when the broker is back, as the NSQ adapter does.
 */
export function linkBroker(host: BrokerHost, life: Life): Broker {
  const { world, lane } = life
  /** The channels this process has created; it creates them again after a reconnect. */
  const channels = new Map<string, readonly [topic: string, channel: string]>()
  const subscriptions = new Set<LinkedSubscription>()
  let isStarted = false

  const forget = host.onReturn(() => {
    lane.clock.after(world.random() * reconnectMsMax, () => void reconnect())
  })
  life.onDeath(() => {
    forget()
    for (const subscription of subscriptions) subscription.drop()
  })

  async function reconnect(): Promise<void> {
    const broker = host.current()
    for (const names of channels.values()) await broker?.createChannel(...names)
    for (const subscription of subscriptions) subscription.connect()
  }

  function reach(): Broker {
    const broker = host.current()
    if (broker === undefined || !isStarted) throw new BrokerUnavailableError('not connected')
    return broker
  }

  async function publish(topic: string, bodies: readonly Buffer[]): Promise<void> {
    if (life.diesAt('before publish')) return never()
    const broker = reach()
    const outcomes = topic.startsWith(addToCartResultTopicPrefix) ? toldOutcomes(bodies) : []
    for (const { requestId, reservationId } of outcomes) {
      if (reservationId !== undefined) world.observer.checkHoldTold(requestId, reservationId)
    }
    if (world.hits('publishLost')) return noAnswer(life, `publish to ${topic}: lost`)
    await broker.publish(topic, arriving(world, host, { topic, bodies }))
    world.trace.note(`${life.name} publishes ${bodies.length} to ${topic}`)
    if (life.diesAt('after publish')) return never()
    if (world.hits('publishAnswerLost')) return noAnswer(life, `publish to ${topic}: answer lost`)
    for (const { requestId } of outcomes) host.told.add(requestId)
  }

  return {
    name: 'broker link',
    start() {
      isStarted = true
      return Promise.resolve()
    },
    stop: () => Promise.resolve(),
    publish,
    async createChannel(topic, channel) {
      if (!life.isAlive()) return never()
      await reach().createChannel(topic, channel)
      channels.set(`${topic}/${channel}`, [topic, channel])
    },
    forgetTopic(topic) {
      for (const [key, [known]] of channels) if (known === topic) channels.delete(key)
    },
    async deleteTopic(topic) {
      if (!life.isAlive()) return never()
      await reach().deleteTopic(topic)
    },
    subscribe(options) {
      const onClose = (): boolean => subscriptions.delete(subscription)
      const subscription = new LinkedSubscription({ ...options, onClose }, host, life)
      subscriptions.add(subscription)
      return subscription
    },
    depth: async (topic, channel) => host.current()?.depth(topic, channel),
    status: () =>
      host.current() === undefined ? { ready: false, reason: 'not connected' } : { ready: true },
  }
}

async function noAnswer({ name, lane, world }: Life, what: string): Promise<never> {
  world.trace.note(`${name} ${what}`)
  await wait(lane.clock, publishTimeoutMs)
  throw new BrokerUnavailableError('no answer')
}

const reconnectMsMax = 500
const publishTimeoutMs = 1_000

interface LinkedOptions extends SubscribeOptions {
  /** Called when the subscriber closes the subscription. */
  readonly onClose: () => void
}

class LinkedSubscription implements Subscription {
  readonly #options: LinkedOptions
  readonly #host: BrokerHost
  readonly #life: Life
  /** The broker it is connected to, and the subscription there. */
  #broker: Broker | undefined
  #inner: Subscription | undefined

  constructor(options: LinkedOptions, host: BrokerHost, life: Life) {
    this.#options = options
    this.#host = host
    this.#life = life
    this.connect()
  }

  /** Subscribes once per broker: it may have come back twice while this process was stopped. */
  connect(): void {
    const broker = this.#host.current()
    if (broker === this.#broker) return
    this.#broker = broker
    this.#inner = broker?.subscribe({
      ...this.#options,
      onMessage: (message) => {
        // The message waits on the wire: a stopped process receives it when it is resumed.
        this.#life.lane.defer(() => {
          this.#receive(message)
        })
      },
    })
  }

  isStandby(): boolean {
    return this.#host.current() !== undefined && this.#inner?.isStandby() === true
  }

  connected(): boolean {
    return this.#host.current() !== undefined && this.#inner?.connected() === true
  }

  async close(): Promise<void> {
    this.#options.onClose()
    await this.#inner?.close()
  }

  /** Closes the connection of a process that died. */
  drop(): void {
    void this.#inner?.close()
  }

  #receive(message: Message): void {
    const { topic, channel, onMessage } = this.#options
    const { world, name } = this.#life
    world.trace.note(`${name} receives from ${topic}/${channel}, attempt ${message.attempts}`)
    onMessage(this.#guarded(message))
  }

  #guarded(message: Message): Message {
    const life = this.#life
    return {
      body: message.body,
      attempts: message.attempts,
      finish: () => {
        if (life.diesAt('before finish')) return
        this.#checkFinished(message)
        if (life.world.hits('finishLost')) life.world.trace.note(`${life.name} finish lost`)
        else message.finish()
        life.diesAt('after finish')
      },
      requeue(delayMs) {
        if (life.isAlive()) message.requeue(delayMs)
      },
      touch() {
        if (life.isAlive()) message.touch()
      },
    }
  }

  /** Reports a violation when a message is finished before its outcome was published. */
  #checkFinished(message: Message): void {
    const requestId = finishedRequest(this.#options, message.body)
    if (requestId === undefined || this.#host.told.has(requestId)) return
    const what = `request ${requestId} is finished and its outcome was not published`
    this.#life.world.violate({ invariant: 'I5', what })
  }
}
