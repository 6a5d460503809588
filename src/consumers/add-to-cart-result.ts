import type { Broker, Subscription } from '../broker/broker.ts'
import type { AddToCartOutcome } from '../domain/reservation.ts'
import type { Service } from '../lifecycle.ts'
import { addToCartResultChannel, addToCartResultTopic } from '../messaging/topics.ts'
import type { MessageCodec } from '../messaging/envelope.ts'
import type { Park } from '../messaging/parking.ts'

/** Receives the outcomes for this API node and passes each to `settle`. */
export interface AddToCartResultConsumer extends Service {
  /** Tells whether outcomes can arrive; an API node without them is not ready. */
  connected(): boolean
}

export interface AddToCartResultOptions {
  readonly broker: Broker
  readonly codec: MessageCodec
  readonly park: Park
  readonly nodeId: string
  /** Called once per outcome, also when no request waits for it any more. */
  readonly settle: (requestId: string, outcome: AddToCartOutcome) => void
}

export function createAddToCartResultConsumer(
  options: AddToCartResultOptions,
): AddToCartResultConsumer {
  const { broker, codec, park, nodeId, settle } = options
  const topic = addToCartResultTopic(nodeId)
  let subscription: Subscription | undefined

  return {
    name: 'add-to-cart results',
    connected: () => subscription?.connected() ?? false,
    start() {
      subscription = broker.subscribe({
        topic,
        channel: addToCartResultChannel,
        inFlightMax: 500,
        onMessage(message) {
          const opened = codec.open('add_to_cart_result', topic, message.body)
          if (!opened.readable) park('add_to_cart_result', opened.reason, message.body)
          else for (const each of opened.message.outcomes) settle(each.requestId, each.outcome)
          message.finish()
        },
      })
      return Promise.resolve()
    },
    async stop() {
      await subscription?.close()
    },
  }
}
