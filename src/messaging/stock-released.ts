import type { Broker } from '../broker/broker.ts'
import type { Logger } from '../logger.ts'
import { stockReleasedTopic } from './topics.ts'
import type { MessageCodec } from './envelope.ts'

/** Tells every gate that these products have stock again. Call it after the commit. */
export type AnnounceStockReleased = (productIds: readonly number[]) => void

const productsPerMessageMax = 5_000

/**
 * Makes the announcement of released stock. A lost one is harmless: consumers probe once a second.
 */
export function createStockReleasedPublisher(
  broker: Broker,
  codec: MessageCodec,
  logger: Logger,
): AnnounceStockReleased {
  return (productIds) => {
    if (productIds.length === 0) return
    const bodies: Buffer[] = []
    for (let start = 0; start < productIds.length; start += productsPerMessageMax) {
      const some = productIds.slice(start, start + productsPerMessageMax)
      bodies.push(codec.seal('stock_released', stockReleasedTopic, { productIds: some }))
    }
    broker.publish(stockReleasedTopic, bodies).catch((error: unknown) => {
      logger.warn({ err: error }, 'stock_released not published; gates will probe')
    })
  }
}
