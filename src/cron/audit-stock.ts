import { unviolated, type AuditReport, type RunAudit } from '../audit/audit.ts'
import type { Clock } from '../clock.ts'
import { countUnits } from '../audit/invariants.ts'
import { countAttention } from '../db/attention.ts'
import type { Database } from '../db/database.ts'
import { recordForgottenCapture } from '../db/forgotten-captures.ts'
import type { Logger } from '../logger.ts'
import type { Metrics } from '../metrics.ts'
import type { CapturedPayment } from '../payments/ledger.ts'
import type { PaymentSettlement } from '../payments/pay.ts'

export interface AuditStockOptions {
  readonly database: Database
  /** For sums over all products, which take longer than the event loop may wait. */
  readonly reader: Pick<Database, 'read'>
  readonly audit: RunAudit
  readonly settlement: Pick<PaymentSettlement, 'learn'>
  readonly clock: Clock
  readonly metrics: Metrics
  readonly logger: Logger
}

interface Shown {
  readonly invariants: readonly { readonly id: string; readonly violations: number }[]
  readonly uncheckedIds: readonly string[]
}

/**
 * The audit rests 100 times as long as it ran, so that it takes 1 % of the time however large the
 * database is.
 */
const restFactor = 100

/**
 * Makes the job that audits the live database and shows the result on `/metrics`. It also places
 * payments that the provider has captured and whose webhook was lost.
 */
export function createAuditStock(options: AuditStockOptions): () => Promise<void> {
  const { reader, audit, clock, metrics, logger } = options
  const shown = new Map<string, number>()
  let restUntil = -Infinity
  let wholeAt = clock.monotonic()
  metrics.onCollect(() => {
    metrics.auditAgeSeconds.set((clock.monotonic() - wholeAt) / 1000)
  })
  setViolationGauges({ invariants: unviolated(), uncheckedIds: [] })

  /**
   * Sets the gauge of each invariant to the number of violations found. The gauge of an invariant
   * that could not be checked completely never falls: the missing part may hold the violations seen
   * before.
   */
  function setViolationGauges({ invariants, uncheckedIds }: Shown): void {
    for (const { id, violations } of invariants) {
      const known = uncheckedIds.includes(id) ? (shown.get(id) ?? 0) : 0
      shown.set(id, Math.max(violations, known))
      metrics.invariantViolations.set({ invariant: id }, Math.max(violations, known))
    }
  }

  function logViolations({ invariants, unchecked }: AuditReport): void {
    for (const { id, title, violations, examples } of invariants) {
      if (violations > 0) logger.error({ invariant: id, title, violations, examples }, 'violated')
    }
    for (const what of unchecked) logger.warn({ what }, 'not audited')
  }

  return async () => {
    if (clock.monotonic() < restUntil) return
    const startedAt = clock.monotonic()
    const report = await audit()
    const tookMs = clock.monotonic() - startedAt
    restUntil = clock.monotonic() + tookMs * restFactor
    if (report.unchecked.length === 0) wholeAt = clock.monotonic()
    setViolationGauges(report)
    logViolations(report)
    for (const stray of report.strays) await placeStrayPayment(stray, options)
    const units = await reader.read(countUnits)
    for (const [state, count] of Object.entries(units)) metrics.units.set({ state }, count)
    metrics.strandedPayments.set(await reader.read(countAttention))
  }
}

/** Our payment ids are UUIDs; a capture with another id was never ours. */
const ourIdPattern = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/**
 * Settles a captured payment of ours whose webhook was lost. One that this database does not know at all was
 * forgotten by a restored copy and goes on the attention list.
 */
async function placeStrayPayment(
  stray: CapturedPayment,
  { settlement, database, clock, logger }: AuditStockOptions,
): Promise<void> {
  const { paymentId } = stray
  try {
    if ((await settlement.learn(paymentId)) || !ourIdPattern.test(paymentId)) return
    const isNew = await database.transaction(() => recordForgottenCapture(stray, clock.now()))
    if (isNew) logger.error({ ...stray }, 'a captured payment is unknown here: it needs a person')
  } catch (error) {
    logger.warn({ err: error, paymentId }, 'a captured payment is not settled yet')
  }
}
