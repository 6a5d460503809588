import type { AddToCartRouting } from '../domain/flash-sale.ts'

/**
 * The names of all topics and channels. They consist of integers, keys and node ids, so NSQ accepts every
 * one.
 */

/** The parts of a sale's topic names. They are kept in the sale's row and never change. */
export interface SaleQueue {
  readonly flashSaleId: number
  readonly routing: AddToCartRouting
  /**
   * A few random characters. When a restored database copy gives the number of a forgotten sale to
   * another sale, messages still queued for the first cannot reach the second.
   */
  readonly topicKey: string
}

const topicKeyCharacters = 'abcdefghijklmnopqrstuvwxyz0123456789'
/** Five leave 64 characters, NSQ's limit, for the largest ids. */
const topicKeyLength = 5

export function newTopicKey(random: () => number): string {
  let key = ''
  while (key.length < topicKeyLength) {
    key += topicKeyCharacters.charAt(Math.floor(random() * topicKeyCharacters.length))
  }
  return key
}

/**
 * Returns the topic of a sale, whose channels select the product, or the topic of a sale and
 * product.
 */
export function addToCartTopic(queue: SaleQueue, productId: number): string {
  const topic = `add_to_cart.sale-${queue.flashSaleId}-${queue.topicKey}`
  switch (queue.routing) {
    case 'channel-per-product':
      return topic
    case 'topic-per-product':
      return `${topic}.product-${productId}`
  }
}

export function addToCartChannel(
  { routing }: Pick<SaleQueue, 'routing'>,
  productId: number,
): string {
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
