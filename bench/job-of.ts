import type { Demand, Job } from './load/job.ts'
import type { Cell } from './plan.ts'
import type { Sale, SaleShape } from './sale-database.ts'
import type { Scale } from './scale.ts'
import type { ShoppersFiles } from './shoppers.ts'

/** The sale and the job of the load generator for the workload of a cell. */
export interface Occasion {
  readonly scale: Scale
  readonly shoppers: ShoppersFiles
  readonly sale: Sale
  readonly origins: readonly string[]
}

const plentyOfUnits = 1_000_000_000

export function saleShapeOf({ workload, products, connections }: Cell, { race }: Scale): SaleShape {
  switch (workload) {
    case 'plenty':
    case 'waiting':
      return { products, stock: plentyOfUnits }
    case 'sold-out':
      return { products, stock: 0 }
    case 'race':
      return { products, stock: race.units }
    case 'orders':
      return { products, stock: connections }
  }
}

const aHold: Demand = { status: 201, marker: '"reservation"' }
const aRefusal: Demand = { status: 409, marker: '"code":"sold_out"' }

export function jobOf(cell: Cell, { scale, shoppers, sale, origins }: Occasion): Job {
  const { connections } = cell
  const { warmUpSeconds, seconds, returning } = scale
  const { tokensPath } = shoppers
  const target = { origins, tokensPath, shoppers: scale.shoppers, ...sale }
  const times = { warmUpSeconds, seconds, warmUpConnections: scale.warmUpConnections }
  const loop = { kind: 'closed loop', ...target, connections, ...times } as const
  switch (cell.workload) {
    case 'plenty':
      return { ...loop, demand: aHold, visitors: 'fresh', idempotencyKeys: 'sent' }
    case 'sold-out':
      return { ...loop, demand: aRefusal, visitors: { returning }, idempotencyKeys: 'none' }
    case 'race':
    case 'orders':
      return { kind: 'race', ...target, racers: connections, then: 'pay' }
    case 'waiting':
      return { kind: 'race', ...target, racers: connections, then: 'leave' }
  }
}
