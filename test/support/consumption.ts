import type { Broker, Message, SubscribeOptions, Subscription } from '../../src/broker/broker.ts'

/** A subscription of a test, and what came. */
export interface Consumption {
  /** In the order of arrival. */
  readonly received: readonly Message[]
  readonly subscription: Subscription
}

/** Keeps what it is given, and finishes it unless told what to do. */
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

/** Bodies without their order, which no broker promises. */
export const sorted = (messages: readonly Message[]): string[] =>
  messages.map((message) => message.body.toString('latin1')).sort()
