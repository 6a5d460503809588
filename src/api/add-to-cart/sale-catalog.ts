import type { Broker } from '../../broker/broker.ts'
import type { Cancel, Clock } from '../../clock.ts'
import type { Database } from '../../db/database.ts'
import { readUnfinishedSales, type FlashSaleRow } from '../../db/flash-sales.ts'
import { flashSaleStatus } from '../../domain/flash-sale.ts'
import type { Service } from '../../lifecycle.ts'
import type { Logger } from '../../logger.ts'
import { addToCartChannel, addToCartTopic, type AddToCartRouting } from '../../messaging/topics.ts'

/**
 * The running and coming sales in memory, so that add-to-cart asks no database whether a sale is open.
 * A little stale by design; the consumer asks the database again.
 */
export interface SaleCatalog extends Service {
  /** Where to send a request, or why not. */
  route(flashSaleId: number, productId: number): CatalogRoute
  /** Reads again now; call it after a change made here. */
  refresh(): Promise<void>
}

export type CatalogRoute =
  | { readonly kind: 'open'; readonly topic: string }
  /** The sale is open but its queue could not be made yet. */
  | { readonly kind: 'no_channel' }
  | { readonly kind: 'sale_not_open' | 'product_not_in_sale' | 'unknown_sale' }

export interface SaleCatalogOptions {
  readonly database: Database
  readonly broker: Broker
  readonly clock: Clock
  readonly logger: Logger
  readonly routing: AddToCartRouting
}

const refreshEveryMs = 250
/** Kept a while after their end, so that late shoppers hear "not open" rather than "no such sale". */
const keepEndedMs = 3_600_000
const channelsBeforeStartMs = 60_000

interface SaleEntry {
  readonly sale: FlashSaleRow
  readonly productIds: ReadonlySet<number>
}

export function createSaleCatalog(options: SaleCatalogOptions): SaleCatalog {
  const { database, clock, logger, routing } = options
  let sales = new Map<number, SaleEntry>()
  const channels = createSaleChannels(options)
  let cancel: Cancel = () => undefined
  let refreshing: Promise<void> | undefined
  let isFailing = false

  async function refresh(): Promise<void> {
    // A refresh under way may have read before the change it is called for.
    await refreshing?.catch(() => undefined)
    refreshing ??= readSales().finally(() => {
      refreshing = undefined
    })
    await refreshing
  }

  async function readSales(): Promise<void> {
    const rows = await database.read(() => readUnfinishedSales(clock.now() - keepEndedMs))
    try {
      await channels.make(rows)
    } finally {
      // Only now: whoever finds a sale here finds its queue as well, unless the broker is away.
      sales = new Map(
        rows.map((sale) => [
          sale.id,
          { sale, productIds: new Set(sale.products.map(({ productId }) => productId)) },
        ]),
      )
    }
  }

  function route(flashSaleId: number, productId: number): CatalogRoute {
    const entry = sales.get(flashSaleId)
    if (entry === undefined) return { kind: 'unknown_sale' }
    if (!entry.productIds.has(productId)) return { kind: 'product_not_in_sale' }
    if (flashSaleStatus(entry.sale, clock.now()) !== 'active') return { kind: 'sale_not_open' }
    const topic = addToCartTopic(routing, flashSaleId, productId)
    return channels.has(flashSaleId, productId) ? { kind: 'open', topic } : { kind: 'no_channel' }
  }

  async function refreshQuietly(): Promise<void> {
    try {
      await refresh()
      isFailing = false
    } catch (error) {
      // Four times a second for as long as the broker is away: the first one says it.
      if (!isFailing) logger.warn({ err: error }, 'sale catalog not refreshed, trying again')
      isFailing = true
    }
  }

  return {
    name: 'sale catalog',
    route,
    refresh: refreshQuietly,
    start() {
      cancel = clock.every(refreshEveryMs, () => {
        if (refreshing === undefined) void refreshQuietly()
      })
      return refreshQuietly()
    },
    async stop() {
      cancel()
      await refreshing?.catch(() => undefined)
    },
  }
}

/** A channel gets nothing that was published before it was made, so it is made before the sale opens. */
function createSaleChannels({ broker, clock, routing }: SaleCatalogOptions) {
  /** Topics by sale and product. */
  const made = new Map<string, string>()
  const keyOf = (flashSaleId: number, productId: number): string => `${flashSaleId}/${productId}`

  async function make(sales: readonly FlashSaleRow[]): Promise<void> {
    const wanted = new Set<string>()
    for (const { id, startsAt, endsAt, products } of sales) {
      const startsSoon = startsAt - channelsBeforeStartMs <= clock.now()
      if (!startsSoon || endsAt <= clock.now()) continue
      for (const { productId } of products) {
        const key = keyOf(id, productId)
        wanted.add(key)
        if (made.has(key)) continue
        const topic = addToCartTopic(routing, id, productId)
        await broker.createChannel(topic, addToCartChannel(routing, productId))
        made.set(key, topic)
      }
    }
    for (const [key, topic] of made) {
      if (wanted.has(key)) continue
      made.delete(key)
      if (![...made.values()].includes(topic)) broker.forgetTopic(topic)
    }
  }

  return {
    make,
    has: (flashSaleId: number, productId: number) => made.has(keyOf(flashSaleId, productId)),
  }
}
