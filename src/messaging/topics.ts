/**
 * The names of all topics and channels. They consist of integers and node ids, so NSQ accepts every
 * one.
 */

export type AddToCartRouting = 'channel-per-product' | 'topic-per-product'

/**
 * Returns the topic of a sale, whose channels select the product, or the topic of a sale and
 * product.
 */
export function addToCartTopic(
  routing: AddToCartRouting,
  flashSaleId: number,
  productId: number,
): string {
  switch (routing) {
    case 'channel-per-product':
      return `add_to_cart.sale-${flashSaleId}`
    case 'topic-per-product':
      return `add_to_cart.sale-${flashSaleId}.product-${productId}`
  }
}

export function addToCartChannel(routing: AddToCartRouting, productId: number): string {
  switch (routing) {
    case 'channel-per-product':
      return `product-${productId}`
    case 'topic-per-product':
      return 'reserve'
  }
}

/** Returns the topic of one API node. It is ephemeral: nsqd removes it when the node is gone. */
export const addToCartResultTopic = (nodeId: string): string =>
  `add_to_cart_result.${nodeId}#ephemeral`
export const addToCartResultTopicPrefix = 'add_to_cart_result.'
export const addToCartResultChannel = 'node#ephemeral'

export const stockReleasedTopic = 'stock_released'
/**
 * Returns the channel of one process. Each has its own, so that every process receives every
 * release.
 */
export const stockReleasedChannel = (nodeId: string): string => `${nodeId}#ephemeral`

/** The topic of unreadable messages. Operators look at them with `nsq_tail`. */
export const parkedTopic = 'parked_messages'
export const parkedChannel = 'inspect'
