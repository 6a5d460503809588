import type { Broker } from '../../broker/broker.ts'
import type { Cancel, Clock } from '../../clock.ts'
import { findOffers } from '../../db/current-sales.ts'
import type { Database } from '../../db/database.ts'
import { flashSaleStatus, type AddToCartRoutingSetting } from '../../domain/flash-sale.ts'
import type { Service } from '../../lifecycle.ts'
import type { Logger } from '../../logger.ts'
import { createCurrentSales, type SaleWithProducts } from '../../messaging/current-sales.ts'
import { createLookup } from '../lookup.ts'
import { createRefusedOffers } from './refused-offers.ts'
import { createSaleChannels, type ChannelRoute } from './sale-channels.ts'

/**
 * The sales that run or start within a minute, in memory, so that add-to-cart asks no database whether a
 * sale is open. At most a quarter of a second old; the consumer asks the database again.
 */
export interface SaleCatalog extends Service {
  /** The topic for a request, or why there is none. */
  route(flashSaleId: number, productId: number): CatalogRoute
  /**
   * The same for an offer that `route` does not know: the database is asked, once for all who ask in one
   * tick, and what it refuses is remembered for half a second.
   * @throws DatabaseUnavailableError
   */
  lookUp(flashSaleId: number, productId: number): Promise<CatalogRoute>
  /** Reads the database again now, for a change made by this node. It never waits for the broker. */
  refresh(): Promise<void>
}

export type CatalogRoute =
  | ChannelRoute
  | { readonly kind: 'sale_not_open' | 'product_not_in_sale' }
  /** Not among the sales and products in memory. */
  | { readonly kind: 'unknown' }

export interface SaleCatalogOptions {
  readonly database: Database
  readonly broker: Broker
  readonly clock: Clock
  readonly random: () => number
  readonly logger: Logger
  readonly routing: AddToCartRoutingSetting
  /** Runs a task after the arrivals of the current tick. */
  readonly defer: (task: () => void) => void
}

const refreshEveryMs = 250
/** Sales are read this long before their start: a channel gets nothing published before it was made. */
const readBeforeStartMs = 60_000
/** Sales stay this long after their end: the late crowd is refused from memory. */
const keepEndedMs = 3_600_000

interface SaleEntry {
  readonly sale: SaleWithProducts
  readonly productIds: ReadonlySet<number>
}

export function createSaleCatalog(options: SaleCatalogOptions): SaleCatalog {
  const { database, clock, logger, defer } = options
  const findOffer = createLookup({ database, defer, read: findOffers })
  const refused = createRefusedOffers(clock)
  const currentSales = createCurrentSales(options)
  const channels = createSaleChannels(options)
  let sales = new Map<number, SaleEntry>()
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
    const now = clock.now()
    const rows = await currentSales.read(now + readBeforeStartMs, now - keepEndedMs)
    sales = new Map(rows.map((sale) => [sale.flashSaleId, entryOf(sale, sales)]))
    channels.makeFor(rows.filter(({ endsAt }) => endsAt > clock.now()))
  }

  function route(flashSaleId: number, productId: number): CatalogRoute {
    const entry = sales.get(flashSaleId)
    if (entry?.productIds.has(productId) !== true) {
      const refusal = refused.find(flashSaleId, productId)
      return refusal === undefined ? unknown : refuse[refusal]
    }
    if (flashSaleStatus(entry.sale, clock.now()) !== 'active') return refuse.sale_not_open
    return channels.find(flashSaleId, productId)
  }

  async function lookUp(flashSaleId: number, productId: number): Promise<CatalogRoute> {
    const sale = await findOffer({ flashSaleId, productId })
    if (sale === undefined) {
      refused.rememberUnknownSale(flashSaleId)
      return refuse.product_not_in_sale
    }
    const isActive = flashSaleStatus(sale, clock.now()) === 'active'
    const refusal = sale.offered ? 'sale_not_open' : 'product_not_in_sale'
    if (sale.offered && isActive) {
      // Made on another node a moment ago.
      await refreshQuietly()
      return route(flashSaleId, productId)
    }
    refused.remember(flashSaleId, productId, refusal)
    return refuse[refusal]
  }

  async function refreshQuietly(): Promise<void> {
    try {
      await refresh()
      isFailing = false
    } catch (error) {
      // One line per outage: it is tried again four times a second.
      if (!isFailing) logger.warn({ err: error }, 'sale catalog not refreshed, trying again')
      isFailing = true
    }
  }

  return {
    name: 'sale catalog',
    route,
    lookUp,
    refresh() {
      refused.clear()
      return refreshQuietly()
    },
    start() {
      cancel = clock.every(refreshEveryMs, () => {
        if (refreshing === undefined) void refreshQuietly()
      })
      return refreshQuietly()
    },
    async stop() {
      cancel()
      await refreshing?.catch(() => undefined)
      await channels.stop()
    },
  }
}

const refuse = {
  sale_not_open: { kind: 'sale_not_open' },
  product_not_in_sale: { kind: 'product_not_in_sale' },
} as const
const unknown: CatalogRoute = { kind: 'unknown' }

/** Keeps the set of products that has not changed: with 200 products it is most of what a tick makes. */
function entryOf(sale: SaleWithProducts, sales: ReadonlyMap<number, SaleEntry>): SaleEntry {
  const before = sales.get(sale.flashSaleId)
  const isSame = before?.sale.productIds === sale.productIds
  return { sale, productIds: isSame ? before.productIds : new Set(sale.productIds) }
}
