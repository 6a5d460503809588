import type { Broker, Message, SubscribeOptions, Subscription } from '../../src/broker/broker.ts'

/** A subscription of a test with its received messages. */
export interface Consumption {
  /** The messages in the order of arrival. */
  readonly received: readonly Message[]
  readonly subscription: Subscription
}

/** Subscribes, keeps all messages, and finishes them unless the test decides otherwise. */
export function subscribe(
  broker: Broker,
  topic: string,
  channel: string,
  options: Partial<Pick<SubscribeOptions, 'inFlightMax' | 'onMessage'>> = {},
): Consumption {
  const received: Message[] = []
  const onMessage = options.onMessage ?? finishFrom(1)
  const subscription = broker.subscribe({
    topic,
    channel,
    inFlightMax: options.inFlightMax ?? 100,
    onMessage(message) {
      received.push(message)
      onMessage(message)
    },
  })
  return { received, subscription }
}

/** Leaves deliveries before that attempt unanswered. */
export const finishFrom =
  (attempts: number) =>
  (message: Message): void => {
    if (message.attempts >= attempts) message.finish()
  }

/** Returns the bodies sorted, because no broker promises their order. */
export const sorted = (messages: readonly Message[]): string[] =>
  messages.map((message) => message.body.toString('latin1')).sort()
