import type { Database } from '../db/database.ts'
import {
  decideRouting,
  readCurrentSales,
  readProductIds,
  type CurrentSale,
} from '../db/current-sales.ts'
import type { AddToCartRoutingSetting, FlashSaleSchedule } from '../domain/flash-sale.ts'
import { newTopicKey, type SaleQueue } from './topics.ts'

/**
 * Reads the sales that run or start soon, with their queues and products, as API nodes and consumers
 * poll them. A sale that has products and no routing yet gets it here, in one guarded write, so every
 * node finds the same.
 */
export interface CurrentSales {
  /**
   * Sales that start at `startsBy` or earlier and end after `endsAfter`, epoch ms, by start.
   * @throws DatabaseUnavailableError
   */
  read(startsBy: number, endsAfter: number): Promise<readonly SaleWithProducts[]>
}

export interface SaleWithProducts extends FlashSaleSchedule, SaleQueue {
  readonly productIds: readonly number[]
}

export interface CurrentSalesOptions {
  readonly database: Database
  readonly random: () => number
  /** For sales whose routing this node decides. */
  readonly routing: AddToCartRoutingSetting
}

interface KnownProducts {
  readonly revision: number
  readonly productIds: readonly number[]
}

export function createCurrentSales(options: CurrentSalesOptions): CurrentSales {
  const { database, routing, random } = options
  let known = new Map<number, KnownProducts>()

  async function read(startsBy: number, endsAfter: number): Promise<readonly SaleWithProducts[]> {
    const sales = await readRouted(startsBy, endsAfter)
    known = await readProducts(sales)
    return sales.map(({ id, ...sale }) => ({
      ...sale,
      flashSaleId: id,
      productIds: known.get(id)?.productIds ?? [],
    }))
  }

  async function readRouted(startsBy: number, endsAfter: number): Promise<readonly RoutedSale[]> {
    const sales = await database.read(() => readCurrentSales(startsBy, endsAfter))
    const undecided = sales.filter((sale) => !isRouted(sale) && sale.productsRevision > 0)
    if (undecided.length === 0) return sales.filter(isRouted)
    const keys = undecided.map(({ id }) => ({ id, topicKey: newTopicKey(random) }))
    await database.transaction(function* () {
      for (const { id, topicKey } of keys) yield* decideRouting(id, routing, topicKey)
    })
    // Read again: another node may have decided first.
    return (await database.read(() => readCurrentSales(startsBy, endsAfter))).filter(isRouted)
  }

  /** A poll reads only the products of sales that have changed since the last one. */
  async function readProducts(sales: readonly RoutedSale[]): Promise<Map<number, KnownProducts>> {
    const isChanged = ({ id, productsRevision }: RoutedSale): boolean =>
      known.get(id)?.revision !== productsRevision
    const changed = sales.filter(isChanged).map(({ id }) => id)
    const found =
      changed.length === 0
        ? new Map<number, readonly number[]>()
        : await database.read(() => readProductIds(changed))
    return new Map(
      sales.map(({ id, productsRevision }) => {
        const productIds = found.get(id) ?? known.get(id)?.productIds ?? []
        return [id, { revision: productsRevision, productIds }]
      }),
    )
  }

  return { read }
}

type RoutedSale = CurrentSale & Pick<SaleQueue, 'routing' | 'topicKey'>

const isRouted = (sale: CurrentSale): sale is RoutedSale => sale.routing !== null
