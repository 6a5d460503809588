import { forgetRequests } from '../db/reserve/add-to-cart-requests.ts'
import { archiveSales } from '../db/current-sales.ts'
import type { Database, Script } from '../db/database.ts'
import {
  cancelInvoicesOfCancelled,
  releaseCancelledCartHolds,
  releaseCancelledLines,
} from '../db/called-off-sales.ts'
import { expireCartHolds, expireInvoices, type Swept } from '../db/expiry.ts'
import { forgetOperatorRequests } from '../db/operator-requests.ts'
import { forgetEvents } from '../db/webhook-events.ts'
import type { Clock } from '../clock.ts'
import type { Metrics } from '../metrics.ts'
import type { AnnounceStockReleased } from '../messaging/stock-released.ts'

export interface ExpireHoldsOptions {
  readonly database: Database
  readonly announceStockReleased: AnnounceStockReleased
  readonly clock: Clock
  readonly metrics: Metrics
}

/**
 * A batch holds the write lock for a few milliseconds, and add-to-cart can write between two
 * batches.
 */
const batchSizeMax = 200
const batchesPerSweepMax = 50
const requestsKeptMs = 3_600_000
/** API nodes answer the late crowd of a sale from memory for this long. */
const salesKeptMs = 3_600_000
/** Providers stop repeating a webhook earlier. A later repetition only costs one more lookup. */
const webhookEventsKeptMs = 7 * 86_400_000
/** One day is promised; the second one is for a clock that jumps. */
const operatorRequestsKeptMs = 2 * 86_400_000

type Step = readonly [kind: string, script: (now: number, limit: number) => Script<Swept>]

const steps: readonly Step[] = [
  ['cart_hold_expired', expireCartHolds],
  ['invoice_expired', expireInvoices],
  ['cart_hold_released', releaseCancelledCartHolds],
  ['invoice_cancelled', cancelInvoicesOfCancelled],
  ['invoice_reduced', releaseCancelledLines],
]

/**
 * Makes the sweep: it puts unpaid holds and invoices back to stock when their time is over, batch
 * by batch, and announces the released products after each commit. It never touches an invoice that
 * is `paying` or `paid`.
 */
export function createExpireHolds(options: ExpireHoldsOptions): () => Promise<void> {
  const { database, announceStockReleased, clock, metrics } = options

  async function sweep([kind, script]: Step): Promise<void> {
    for (let batch = 0; batch < batchesPerSweepMax; batch += 1) {
      const swept = await database.transaction(() => script(clock.now(), batchSizeMax))
      announceStockReleased(swept.productIds)
      metrics.sweptTotal.inc({ kind }, swept.ended)
      if (swept.ended < batchSizeMax) return
    }
  }

  return async () => {
    for (const step of steps) await sweep(step)
    await database.transaction(() => forgetRequests(clock.now() - requestsKeptMs, batchSizeMax))
    await database.transaction(() =>
      archiveSales(clock.now(), clock.now() - salesKeptMs, batchSizeMax),
    )
    await database.transaction(() => forgetEvents(clock.now() - webhookEventsKeptMs, batchSizeMax))
    await database.transaction(() =>
      forgetOperatorRequests(clock.now() - operatorRequestsKeptMs, batchSizeMax),
    )
  }
}
