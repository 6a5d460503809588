import type { Clock } from '../clock.ts'
import { auditInvariants, invariantTitles, type InvariantResult } from './invariants.ts'
import type { Database } from '../db/database.ts'
import type { CapturedPayment } from '../payments/ledger.ts'
import { compareLedgers, type LedgerComparison, type ProviderBooks } from './compare-ledgers.ts'

/**
 * The result of checking the live database against its invariants and against the provider's
 * ledger.
 */
export interface AuditReport {
  /** True when no checked invariant is violated. */
  readonly holds: boolean
  /** The start of the audit, epoch ms. */
  readonly checkedAt: number
  readonly invariants: readonly InvariantResult[]
  /**
   * One sentence for each check that was impossible, with the reason; empty when everything was
   * checked.
   */
  readonly unchecked: readonly string[]
  /**
   * Ids of the invariants that were not checked completely: they may have more violations than were
   * found.
   */
  readonly uncheckedIds: readonly string[]
  /**
   * Payments that the provider has captured and that paid no invoice here, 1,000 at most. The caller
   * places them.
   */
  readonly strays: readonly CapturedPayment[]
}

export type RunAudit = () => Promise<AuditReport>

export interface AuditOptions {
  readonly database: Pick<Database, 'read'>
  readonly provider: ProviderBooks
  readonly clock: Clock
  /**
   * The audit begins no further check after this many ms and reports the rest as `unchecked`.
   * Default 120000.
   */
  readonly budgetMs?: number
}

/** Makes the audit. A call during a running audit gets the report of that one. */
export function createAudit(options: AuditOptions): RunAudit {
  let running: Promise<AuditReport> | undefined
  return () =>
    (running ??= audit(options).finally(() => {
      running = undefined
    }))
}

async function audit(options: AuditOptions): Promise<AuditReport> {
  const { database, clock, budgetMs = 120_000 } = options
  const checkedAt = clock.now()
  const deadline = clock.monotonic() + budgetMs
  const mayContinue = (): boolean => clock.monotonic() < deadline
  const ours = await auditInvariants(database, mayContinue)
  const comparison = await compareLedgers({ ...options, mayContinue })
  const invariants = withMoney(ours, comparison)
  const gaps = [...skipped(ours), ...gapsOf(comparison)]
  return {
    holds: invariants.every(({ violations }) => violations === 0),
    checkedAt,
    invariants,
    unchecked: gaps.map(({ ids, why }) => `${ids.join(' and ')}${why}`),
    uncheckedIds: gaps.flatMap(({ ids }) => ids),
    strays: comparison.strays,
  }
}

interface Gap {
  readonly ids: readonly string[]
  readonly why: string
}

const skipped = (results: readonly InvariantResult[]): readonly Gap[] =>
  Object.keys(invariantTitles)
    .filter((id) => !results.some((result) => result.id === id))
    .map((id) => ({ ids: [id], why: ': out of time' }))

function gapsOf({ endedEarly, voidsOfCaptured }: LedgerComparison): readonly Gap[] {
  if (endedEarly === undefined) return []
  const ids = voidsOfCaptured === undefined ? ['I12', 'I13'] : ['I12']
  return [{ ids, why: ` at the provider: ${endedEarly}` }]
}

const examplesMax = 10

/**
 * Adds the result of the comparison to I12 and I13: the database alone can check only half of I12.
 */
function withMoney(
  ours: readonly InvariantResult[],
  { disagreements, total, voidsOfCaptured = 0 }: LedgerComparison,
): readonly InvariantResult[] {
  const examples = disagreements.slice(0, examplesMax).map((each) => ({ ...each }))
  return ours.map((result) => {
    if (result.id === 'I12') {
      const all = [...result.examples, ...examples].slice(0, examplesMax)
      return { ...result, violations: result.violations + total, examples: all }
    }
    if (result.id !== 'I13') return result
    return { ...result, violations: result.violations + voidsOfCaptured }
  })
}

/** Returns zero violations for every invariant; the metrics show it before the first audit. */
export function unviolated(): readonly Pick<InvariantResult, 'id' | 'violations'>[] {
  return Object.keys(invariantTitles).map((id) => ({ id, violations: 0 }))
}
