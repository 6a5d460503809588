import type { CapturedThere } from './bank.ts'
import { judgeHolds } from './judge-holds.ts'
import { judgeKeys } from './judge-keys.ts'
import { judgeMoney } from './judge-money.ts'
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

/** Says of everything that contradicts what it is. */
export function judge(evidence: Evidence): void {
  judgeHolds(evidence)
  judgeKeys(evidence)
  judgeMoney(evidence)
}
