import type { Clock } from '../clock.ts'
import { auditInvariants, invariantTitles, type InvariantResult } from './invariants.ts'
import type { Database } from '../db/database.ts'
import { compareLedgers, type LedgerComparison, type ProviderBooks } from './compare-ledgers.ts'

/** The live database checked against every invariant it can tell of, and against the provider's books. */
export interface AuditReport {
  /** Nothing that was checked is violated. */
  readonly holds: boolean
  /** Epoch ms, when it began. */
  readonly checkedAt: number
  readonly invariants: readonly InvariantResult[]
  /** What could not be checked, and why; empty when everything was. */
  readonly unchecked: readonly string[]
  /** Ids of the invariants that were not wholly checked: they may have more violations than were found. */
  readonly uncheckedIds: readonly string[]
  /** Payments captured there and not paid here: to be looked after. */
  readonly strayPaymentIds: readonly string[]
}

export type RunAudit = () => Promise<AuditReport>

export interface AuditOptions {
  readonly database: Pick<Database, 'read'>
  readonly provider: ProviderBooks
  readonly clock: Clock
  /** What is not checked by then is `unchecked`. 120000 unless given. */
  readonly budgetMs?: number
}

/** Whoever asks while an audit runs gets the answer of that one. */
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
  const goesOn = (): boolean => clock.monotonic() < deadline
  const ours = await auditInvariants(database, goesOn)
  const comparison = await compareLedgers({ ...options, goesOn })
  const invariants = withMoney(ours, comparison)
  const gaps = [...skipped(ours), ...gapsOf(comparison)]
  return {
    holds: invariants.every(({ violations }) => violations === 0),
    checkedAt,
    invariants,
    unchecked: gaps.map(({ ids, why }) => `${ids.join(' and ')}${why}`),
    uncheckedIds: gaps.flatMap(({ ids }) => ids),
    strayPaymentIds: straysOf(comparison),
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

/** The database answers half of I12; what the two books say of each other is the other half. */
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

function straysOf({ disagreements }: LedgerComparison): readonly string[] {
  return disagreements
    .filter(({ problem }) => problem === 'captured_there_not_paid_here')
    .map(({ paymentId }) => paymentId)
}

/** Zero for every invariant, for before the first audit. */
export function unviolated(): readonly Pick<InvariantResult, 'id' | 'violations'>[] {
  return Object.keys(invariantTitles).map((id) => ({ id, violations: 0 }))
}
