import type { CapturedThere } from './bank.ts'
import type { Told } from './history.ts'
import type { World } from './world.ts'

/** What every shopper was told, and what the books of both sides say in the end. */
export interface Evidence {
  readonly world: World
  readonly history: readonly Told[]
  readonly captured: readonly CapturedThere[]
  /** When the operator first asked for the sale to be cancelled, simulated epoch ms. */
  readonly cancelledAt: number | undefined
}
