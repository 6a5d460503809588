import type { CapturedThere } from './bank.ts'
import type { Told } from './history.ts'
import type { World } from './world.ts'

/**
 * Everything the judges need: all answers to shoppers, our database and the provider's ledger at
 * the end.
 */
export interface Evidence {
  readonly world: World
  readonly history: readonly Told[]
  readonly captured: readonly CapturedThere[]
  /** The time when the operator first cancelled the sale, simulated epoch ms. */
  readonly cancelledAt: number | undefined
}
