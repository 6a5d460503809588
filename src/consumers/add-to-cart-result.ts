import type { Broker, Subscription } from '../broker/broker.ts'
import type { AddToCartOutcome } from '../domain/reservation.ts'
import type { Service } from '../lifecycle.ts'
import { addToCartResultChannel, addToCartResultTopic } from '../messaging/topics.ts'
import type { Logger } from '../logger.ts'
import type { ClockSkew } from '../messaging/clock-skew.ts'
import type { MessageCodec } from '../messaging/envelope.ts'
import type { AddToCartResult } from '../messaging/messages.ts'
import type { Park } from '../messaging/parking.ts'

/** Receives the outcomes for this API node and passes each to `settle`. */
export interface AddToCartResultConsumer extends Service {
  /** Tells whether outcomes can arrive; an API node without them is not ready. */
  connected(): boolean
  /** `ok`, or the reason why no outcome can arrive. */
  status(): string
}

export interface AddToCartResultOptions {
  readonly broker: Broker
  readonly codec: MessageCodec
  readonly park: Park
  readonly nodeId: string
  readonly clockSkew: ClockSkew
  readonly logger: Logger
  /** Called once per outcome, also when no request waits for it any more. */
  readonly settle: (requestId: string, outcome: AddToCartOutcome) => void
}

export function createAddToCartResultConsumer(
  options: AddToCartResultOptions,
): AddToCartResultConsumer {
  const { broker, codec, park, nodeId, settle, clockSkew, logger } = options
  const topic = addToCartResultTopic(nodeId)
  const taken = `another process receives the results of NODE_ID ${nodeId}: each needs its own`
  let subscription: Subscription | undefined
  let isTold = false

  function status(): string {
    if (subscription?.connected() === true) return 'ok'
    if (subscription?.isStandby() !== true) return 'no result channel yet'
    if (!isTold) logger.warn({ nodeId }, taken)
    isTold = true
    return taken
  }

  function receive({ outcomes, nodeId: worker, sentAt }: AddToCartResult): void {
    if (worker !== undefined && sentAt !== undefined) clockSkew.observe(worker, sentAt)
    for (const { requestId, outcome } of outcomes) settle(requestId, outcome)
  }

  return {
    name: 'add-to-cart results',
    connected: () => subscription?.connected() ?? false,
    status,
    start() {
      subscription = broker.subscribe({
        topic,
        channel: addToCartResultChannel,
        inFlightMax: 500,
        onMessage(message) {
          const opened = codec.open('add_to_cart_result', topic, message.body)
          if (!opened.readable) park('add_to_cart_result', opened.reason, message.body)
          else receive(opened.message)
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
