import { cancelledSaleIds } from './current-sales.ts'
import { all, type Script } from './database.ts'
import { endInvoicedHolds, type Swept } from './expiry.ts'
import { endedHoldColumns, returnToStock, type EndedHold } from './holds.ts'

const releaseCartHoldsOfCancelledSales = `
  update reservations set status = 'released', ended_at = ?
  where status = 'held' and invoice_id is null and id in (
    select r.id from reservations r
    where r.status = 'held' and r.invoice_id is null and r.flash_sale_id in (${cancelledSaleIds})
    limit ?)
  returning ${endedHoldColumns}`

/** Holds in carts of sales an operator cancelled. */
export function* releaseCancelledCartHolds(now: number, limit: number): Script<Swept> {
  const ended = yield* all<EndedHold>(releaseCartHoldsOfCancelledSales, now, limit)
  const productIds = yield* returnToStock(ended, 'released', now)
  return { ended: ended.length, productIds }
}

const cancelInvoicesOfCancelledSales = `
  update invoices set status = 'cancelled', ended_at = ?
  where status = 'unpaid' and id in (
    select distinct r.invoice_id from reservations r
    join invoices i on i.id = r.invoice_id
    where r.status = 'held' and i.status = 'unpaid' and r.flash_sale_id in (${cancelledSaleIds})
    limit ?)
  returning id`

/** Unpaid invoices with a product of a cancelled sale. Paying and paid ones stand. */
export function* cancelInvoicesOfCancelled(now: number, limit: number): Script<Swept> {
  const invoices = yield* all<{ id: string }>(cancelInvoicesOfCancelledSales, now, limit)
  return yield* endInvoicedHolds(invoices, 'released', now)
}
