import type { RunAudit } from '../audit/audit.ts'
import type { Clock } from '../clock.ts'
import { beatHeart } from '../db/worker-heartbeats.ts'
import type { Database } from '../db/database.ts'
import type { Service } from '../lifecycle.ts'
import type { Logger } from '../logger.ts'
import type { Metrics } from '../metrics.ts'
import type { PaymentSettlement } from '../payments/pay.ts'
import type { AnnounceStockReleased } from '../messaging/stock-released.ts'
import { createAuditStock } from './audit-stock.ts'
import { createExpireHolds } from './expire-holds.ts'
import { createResolvePayments } from './resolve-payments.ts'
import { createScheduler, type Job, type Timetable } from './scheduler.ts'

export interface MaintenanceOptions {
  readonly config: { readonly nodeId: string }
  readonly database: Database
  readonly reader: Pick<Database, 'read'>
  readonly announceStockReleased: AnnounceStockReleased
  readonly settlement: PaymentSettlement
  readonly audit: RunAudit
  readonly clock: Clock
  readonly logger: Logger
  readonly metrics: Metrics
  readonly timetable?: Timetable
}

const sweepName = 'expire holds'

/**
 * Runs the periodic jobs: the sweep every second, open payments every 5 s, the audit every 30 s.
 */
export function createMaintenance(options: MaintenanceOptions): Service {
  const { config, database, clock, metrics } = options
  const jobs: readonly Job[] = [
    {
      name: sweepName,
      schedule: '* * * * * *',
      overdueMs: 2_000,
      run: createExpireHolds(options),
    },
    {
      name: 'beat',
      schedule: '*/5 * * * * *',
      overdueMs: 10_000,
      run: () => database.transaction(() => beatHeart(config.nodeId, clock.now())),
    },
    {
      name: 'resolve payments',
      schedule: '*/5 * * * * *',
      overdueMs: 10_000,
      run: createResolvePayments(options),
    },
    {
      name: 'audit stock',
      schedule: '*/30 * * * * *',
      overdueMs: 60_000,
      run: createAuditStock(options),
    },
  ]
  const scheduler = createScheduler({ ...options, jobs })
  metrics.onCollect(() => {
    const age = scheduler.age(sweepName)
    if (age !== undefined) metrics.sweepAgeSeconds.set(age / 1000)
  })
  return scheduler
}
