import type { Evidence } from './evidence.ts'
import { judgeHolds } from './judge-holds.ts'
import { judgeKeys } from './judge-keys.ts'
import { judgeMoney } from './judge-money.ts'

/** Reports every contradiction in the evidence as a violation. */
export function judge(evidence: Evidence): void {
  judgeHolds(evidence)
  judgeKeys(evidence)
  judgeMoney(evidence)
}
