import type { Clock } from '../clock.ts'
import { auditInvariants, countUnits } from '../db/audit.ts'
import type { Database } from '../db/database.ts'
import type { Logger } from '../logger.ts'
import type { Metrics } from '../metrics.ts'

export interface AuditStockOptions {
  readonly database: Database
  readonly clock: Clock
  readonly metrics: Metrics
  readonly logger: Logger
}

/** The audit reads everything: it may take a hundredth of the time, however much there is to read. */
const restFactor = 100

/** Checks the invariants of the live database and shows what it found on `/metrics`. */
export function createAuditStock(options: AuditStockOptions): () => Promise<void> {
  const { database, clock, metrics, logger } = options
  let restUntil = -Infinity
  return async () => {
    if (clock.monotonic() < restUntil) return
    const startedAt = clock.monotonic()
    const results = await auditInvariants(database)
    for (const { id, title, violations, examples } of results) {
      metrics.invariantViolations.set({ invariant: id }, violations)
      if (violations > 0) logger.error({ invariant: id, title, violations, examples }, 'violated')
    }
    const tookMs = clock.monotonic() - startedAt
    restUntil = clock.monotonic() + tookMs * restFactor
    const units = await database.read(countUnits)
    for (const [state, count] of Object.entries(units)) metrics.units.set({ state }, count)
  }
}
