/** Every topic and channel name. Names are built from integers and node ids, so NSQ takes them all. */

export type AddToCartRouting = 'channel-per-product' | 'topic-per-product'

/** One topic per sale (the channel chooses the product), or one per sale and product. */
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

/** The topic of one API node. Ephemeral: it goes when the node goes. */
export const addToCartResultTopic = (nodeId: string): string =>
  `add_to_cart_result.${nodeId}#ephemeral`
export const addToCartResultTopicPrefix = 'add_to_cart_result.'
export const addToCartResultChannel = 'node#ephemeral'

export const stockReleasedTopic = 'stock_released'
/** Every process wants to hear of every release, so each has its own channel. */
export const stockReleasedChannel = (nodeId: string): string => `${nodeId}#ephemeral`

/** Where messages go that nobody could read. Operators look at them with `nsq_tail`. */
export const parkedTopic = 'parked_messages'
export const parkedChannel = 'inspect'
