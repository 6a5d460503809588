import type { Scale } from './scale.ts'

/** One measurement: a contender, a workload, a shape of the sale and of the servers. */
export interface Cell {
  /** E.g. `plenty/nsq`. */
  readonly id: string
  readonly contender: ContenderName
  readonly workload: Workload
  readonly connections: number
  readonly products: number
  readonly routing: Routing
  readonly apiNodes: number
}

/** The parts of a run: rounds of cells, and soaks. */
export interface Plan {
  readonly cells: readonly Cell[]
  readonly soaks: readonly Cell[]
}

export const contenderNames = ['bare', 'express', 'easy', 'embedded', 'nsq'] as const
export type ContenderName = (typeof contenderNames)[number]

/**
 * `plenty`: every request is a hold. `sold-out`: every request is a refusal. `race`: all shoppers
 * ask at once for few units, and winners pay. `orders`: there are units for all shoppers, and all
 * pay. `waiting`: all requests are held open at once and not answered for a while.
 */
export type Workload = 'plenty' | 'sold-out' | 'race' | 'orders' | 'waiting'
export type Routing = 'channel-per-product' | 'topic-per-product'

export const routings: readonly Routing[] = ['channel-per-product', 'topic-per-product']
const apiNodesMax = 2

/** Contenders with stock that can be held. */
const shops: readonly ContenderName[] = ['easy', 'embedded', 'nsq']
export const sells = ({ contender }: Cell): boolean => shops.includes(contender)

/** Lists the cells in the order of the run: compared cells are neighbours. */
export function planCells(scale: Scale): readonly Cell[] {
  const base = {
    connections: scale.connections,
    products: 1,
    routing: 'channel-per-product',
    apiNodes: 1,
  } as const
  const each = (
    names: readonly ContenderName[],
    workload: Workload,
    change: Partial<Cell> = {},
  ): Cell[] =>
    names.map((contender) => {
      const id = `${change.id ?? workload}/${contender}`
      return { ...base, contender, workload, ...change, id }
    })
  return [
    ...each(contenderNames, 'plenty'),
    ...each(shops, 'plenty', { id: 'one-connection', connections: 1 }),
    ...each(contenderNames, 'sold-out'),
    ...each(shops, 'race', { connections: scale.race.shoppers }),
    ...each(shops, 'orders', { connections: scale.orders }),
    ...each(['nsq'], 'waiting', { connections: scale.waiting }),
    ...routings.flatMap((routing) =>
      scale.products.flatMap((products) => {
        const id = `${routing}-${products}`
        return each(['nsq'], 'plenty', { id, routing, products })
      }),
    ),
    ...each(['nsq'], 'plenty', { id: `api-nodes-${apiNodesMax}`, apiNodes: apiNodesMax }),
  ]
}

/** Lists the cells of `--soak`; `bench/soak.ts` runs them. */
export function planSoaks(scale: Scale): readonly Cell[] {
  const shape = { connections: scale.soak.connections, products: 1, apiNodes: 1 } as const
  const workload = 'plenty'
  return (['embedded', 'nsq'] as const).map((contender) => {
    const id = `soak/${contender}`
    return { id, contender, workload, routing: 'channel-per-product', ...shape }
  })
}

export function chosen(cells: readonly Cell[], only: readonly string[]): readonly Cell[] {
  if (only.length === 0) return cells
  return cells.filter(({ id }) => only.some((part) => id.includes(part)))
}
