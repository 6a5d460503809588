import { auditInvariants, countUnits } from '../db/audit.ts'
import type { Database } from '../db/database.ts'
import type { Logger } from '../logger.ts'
import type { Metrics } from '../metrics.ts'

export interface AuditStockOptions {
  readonly database: Database
  readonly metrics: Metrics
  readonly logger: Logger
}

/** Checks the invariants of the live database and shows what it found on `/metrics`. */
export function createAuditStock(options: AuditStockOptions): () => Promise<void> {
  const { database, metrics, logger } = options
  return async () => {
    const results = await database.read(auditInvariants)
    for (const { id, title, violations, examples } of results) {
      metrics.invariantViolations.set({ invariant: id }, violations)
      if (violations > 0) logger.error({ invariant: id, title, violations, examples }, 'violated')
    }
    const units = await database.read(countUnits)
    for (const [state, count] of Object.entries(units)) metrics.units.set({ state }, count)
  }
}
