import type { Broker, Subscription } from '../broker/broker.ts'
import type { Service } from '../lifecycle.ts'
import { stockReleasedChannel, stockReleasedTopic } from '../messaging/topics.ts'
import type { MessageCodec } from '../messaging/envelope.ts'
import type { Park } from '../messaging/parking.ts'

export interface StockReleasedOptions {
  readonly broker: Broker
  readonly codec: MessageCodec
  readonly park: Park
  readonly nodeId: string
  /** Opens the gates of this process. */
  readonly onReleased: (productId: number) => void
}

/** Receives announcements of released stock. A lost one costs a second, until the next probe. */
export function createStockReleasedConsumer(options: StockReleasedOptions): Service {
  const { broker, codec, park, nodeId, onReleased } = options
  let subscription: Subscription | undefined

  return {
    name: 'stock released',
    start() {
      subscription = broker.subscribe({
        topic: stockReleasedTopic,
        channel: stockReleasedChannel(nodeId),
        inFlightMax: 50,
        onMessage(message) {
          const opened = codec.open('stock_released', stockReleasedTopic, message.body)
          if (!opened.readable) park('stock_released', opened.reason, message.body)
          else for (const productId of opened.message.productIds) onReleased(productId)
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
