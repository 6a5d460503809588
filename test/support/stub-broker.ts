import type { Broker, BrokerStatus, Subscription } from '../../src/broker/broker.ts'

export interface Published {
  readonly topic: string
  readonly bodies: readonly Buffer[]
}

/** A broker that records calls and answers as the test decides. */
export interface StubBroker extends Broker {
  /** The published messages, one entry per call. */
  readonly published: readonly Published[]
  /** The created channels as `topic/channel`, in order. */
  readonly channels: readonly string[]
  /** The answer of `publish` and `createChannel`; it resolves by default. */
  answer: () => Promise<void>
}

export function createStubBroker(): StubBroker {
  const published: Published[] = []
  const channels: string[] = []
  const subscription: Subscription = {
    connected: () => true,
    isStandby: () => false,
    close: () => Promise.resolve(),
  }
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
