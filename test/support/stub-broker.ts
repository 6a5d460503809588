import type { Broker, BrokerStatus, Subscription } from '../../src/broker/broker.ts'

export interface Published {
  readonly topic: string
  readonly bodies: readonly Buffer[]
}

/** A broker port that only takes notes. What it answers is the test's to say. */
export interface StubBroker extends Broker {
  /** One entry per call: what went out together. */
  readonly published: readonly Published[]
  /** `topic/channel`, in the order they were made. */
  readonly channels: readonly string[]
  /** What publish and createChannel answer from now on; resolves unless told otherwise. */
  answer: () => Promise<void>
}

export function createStubBroker(): StubBroker {
  const published: Published[] = []
  const channels: string[] = []
  const subscription: Subscription = { connected: () => true, close: () => Promise.resolve() }
  const broker: StubBroker = {
    name: 'stub broker',
    published,
    channels,
    answer: () => Promise.resolve(),
    publish(topic, bodies) {
      published.push({ topic, bodies })
      return broker.answer()
    },
    async createChannel(topic, channel) {
      await broker.answer()
      channels.push(`${topic}/${channel}`)
    },
    forgetTopic: () => undefined,
    deleteTopic: () => Promise.resolve(),
    subscribe: () => subscription,
    depth: () => Promise.resolve(undefined),
    status: (): BrokerStatus => ({ ready: true }),
    start: () => Promise.resolve(),
    stop: () => Promise.resolve(),
  }
  return broker
}
