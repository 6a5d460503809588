import type { Broker } from '../../broker/broker.ts'
import type { Logger } from '../../logger.ts'
import type { SaleWithProducts } from '../../messaging/current-sales.ts'
import { addToCartChannel, addToCartTopic } from '../../messaging/topics.ts'

/**
 * Makes the channels of the sales an API node publishes to, a few at a time and in the background:
 * while one nsqd did not answer, a product took a second, and pauses were not seen for as long.
 */
export interface SaleChannels {
  /**
   * Makes what is missing for these sales, and forgets the channels of all others. Returns at once.
   */
  makeFor(sales: readonly SaleWithProducts[]): void
  /** The topic of a product of one of these sales, or `no_channel`. */
  find(flashSaleId: number, productId: number): ChannelRoute
  /** Makes nothing more; waits for what is being made. */
  stop(): Promise<void>
}

export type ChannelRoute =
  | { readonly kind: 'open'; readonly topic: string }
  /**
   * The queue is not made yet. `firstTry` ends with the first try to make it; undefined when that
   * has failed before and is tried again in the background.
   */
  | { readonly kind: 'no_channel'; readonly firstTry: Promise<void> | undefined }

export interface SaleChannelsOptions {
  readonly broker: Broker
  readonly logger: Logger
}

/** nsqd makes some thousand channels a second; more at once would only wait there. */
const makingMax = 8

interface ProductChannel {
  readonly topic: string
  readonly channel: string
  /** The answer of `find` in this state of the channel; all requests share the object. */
  route: ChannelRoute
  state: 'missing' | 'making' | 'made'
  tries: number
  endFirstTry: () => void
}

export function createSaleChannels(options: SaleChannelsOptions): SaleChannels {
  const { broker, logger } = options
  let bySale = new Map<number, ReadonlyMap<number, ProductChannel>>()
  let productIdsBySale = new Map<number, readonly number[]>()
  let missing: ProductChannel[] = []
  const making = new Set<Promise<void>>()
  let isFailing = false
  let isStopped = false

  function makeFor(sales: readonly SaleWithProducts[]): void {
    const before = bySale
    bySale = new Map(sales.map((sale) => [sale.flashSaleId, channelsOf(sale)]))
    productIdsBySale = new Map(sales.map((sale) => [sale.flashSaleId, sale.productIds]))
    forgetTopicsOf(before)
    endFirstTriesOfGone(before, bySale)
    // The last is made first: a channel that was never tried does not wait for those that have failed.
    missing = missingOf(bySale)
      .sort((one, other) => one.tries - other.tries)
      .reverse()
    while (making.size < makingMax && missing.length > 0) makeNext()
  }

  function channelsOf(sale: SaleWithProducts): ReadonlyMap<number, ProductChannel> {
    const before = bySale.get(sale.flashSaleId)
    const isSame = productIdsBySale.get(sale.flashSaleId) === sale.productIds
    if (before !== undefined && isSame) return before
    return new Map(
      sale.productIds.map((productId) => [
        productId,
        before?.get(productId) ?? newChannel(sale, productId),
      ]),
    )
  }

  function forgetTopicsOf(before: ReadonlyMap<number, ReadonlyMap<number, ProductChannel>>): void {
    for (const [flashSaleId, channels] of before) {
      const now = bySale.get(flashSaleId)
      if (now === channels) continue
      const kept = new Set([...(now?.values() ?? [])].map(({ topic }) => topic))
      const topics = new Set([...channels.values()].map(({ topic }) => topic))
      for (const topic of topics) if (!kept.has(topic)) broker.forgetTopic(topic)
    }
  }

  function makeNext(): void {
    const channel = missing.pop()
    if (channel === undefined || isStopped) return
    channel.state = 'making'
    channel.tries += 1
    const made = make(channel).finally(() => {
      making.delete(made)
      makeNext()
    })
    making.add(made)
  }

  async function make(wanted: ProductChannel): Promise<void> {
    const { topic, channel } = wanted
    try {
      await broker.createChannel(topic, channel)
      wanted.state = 'made'
      wanted.route = { kind: 'open', topic }
      isFailing = false
    } catch (error) {
      wanted.state = 'missing'
      wanted.route = stillMissing
      // One line per outage: what is missing is tried again four times a second.
      if (!isFailing) logger.warn({ err: error, topic }, 'channel not made, trying again')
      isFailing = true
    } finally {
      wanted.endFirstTry()
    }
  }

  return {
    makeFor,
    find: (flashSaleId, productId) =>
      bySale.get(flashSaleId)?.get(productId)?.route ?? stillMissing,
    async stop() {
      isStopped = true
      for (const { endFirstTry } of missingOf(bySale)) endFirstTry()
      await Promise.all(making)
    },
  }
}

type ChannelsBySale = ReadonlyMap<number, ReadonlyMap<number, ProductChannel>>

const missingOf = (bySale: ChannelsBySale): ProductChannel[] =>
  [...bySale.values()]
    .flatMap((channels) => [...channels.values()])
    .filter(({ state }) => state === 'missing')

/** Nobody makes a channel that is no longer wanted, so nobody may wait for it. */
function endFirstTriesOfGone(before: ChannelsBySale, after: ChannelsBySale): void {
  for (const [flashSaleId, channels] of before) {
    const kept = after.get(flashSaleId)
    if (kept === channels) continue
    for (const [productId, channel] of channels) {
      if (kept?.get(productId) !== channel) channel.endFirstTry()
    }
  }
}

const stillMissing: ChannelRoute = { kind: 'no_channel', firstTry: undefined }

function newChannel(sale: SaleWithProducts, productId: number): ProductChannel {
  let endFirstTry: () => void = () => undefined
  const firstTry = new Promise<void>((resolve) => {
    endFirstTry = resolve
  })
  return {
    topic: addToCartTopic(sale, productId),
    channel: addToCartChannel(sale, productId),
    route: { kind: 'no_channel', firstTry },
    state: 'missing',
    tries: 0,
    endFirstTry,
  }
}
