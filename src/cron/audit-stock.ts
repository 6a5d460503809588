import { unviolated, type AuditReport, type RunAudit } from '../audit/audit.ts'
import type { Clock } from '../clock.ts'
import { countUnits } from '../audit/invariants.ts'
import { countStranded } from '../db/attention.ts'
import type { Database } from '../db/database.ts'
import type { Logger } from '../logger.ts'
import type { Metrics } from '../metrics.ts'
import type { PaymentSettlement } from '../payments/pay.ts'

export interface AuditStockOptions {
  readonly database: Database
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

/** The audit reads everything: it may take a hundredth of the time, however much there is to read. */
const restFactor = 100

/**
 * Checks the invariants of the live database and shows what it found on `/metrics`. Money the provider
 * has and we have not heard of (its webhook was lost) is looked after.
 */
export function createAuditStock(options: AuditStockOptions): () => Promise<void> {
  const { database, audit, clock, metrics, logger } = options
  const shown = new Map<string, number>()
  let restUntil = -Infinity
  let wholeAt = clock.monotonic()
  metrics.onCollect(() => {
    metrics.auditAgeSeconds.set((clock.monotonic() - wholeAt) / 1000)
  })
  show({ invariants: unviolated(), uncheckedIds: [] })

  /** Of what was not wholly checked nothing is taken back: silence mends no violation. */
  function show({ invariants, uncheckedIds }: Shown): void {
    for (const { id, violations } of invariants) {
      const known = uncheckedIds.includes(id) ? (shown.get(id) ?? 0) : 0
      shown.set(id, Math.max(violations, known))
      metrics.invariantViolations.set({ invariant: id }, Math.max(violations, known))
    }
  }

  function complain({ invariants, unchecked }: AuditReport): void {
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
    show(report)
    complain(report)
    await lookAfter(report.strayPaymentIds, options)
    const units = await database.read(countUnits)
    for (const [state, count] of Object.entries(units)) metrics.units.set({ state }, count)
    metrics.strandedPayments.set(await database.read(countStranded))
  }
}

async function lookAfter(
  paymentIds: readonly string[],
  { settlement, logger }: AuditStockOptions,
): Promise<void> {
  for (const paymentId of paymentIds) {
    try {
      await settlement.learn(paymentId)
    } catch (error) {
      logger.warn({ err: error, paymentId }, 'money nobody told of is not placed yet')
    }
  }
}
