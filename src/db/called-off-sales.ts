import { cancelledSaleIds } from './current-sales.ts'
import { all, padded, placeholders, run, type Script } from './database.ts'
import { endInvoicedHolds, type Swept } from './expiry.ts'
import { endedHoldColumns, returnToStock, type EndedHold } from './holds.ts'

/**
 * The sweep after an operator has called a sale off: its units leave carts and unpaid invoices, other sales'
 * units stay. An invoice that is being paid, or is paid, stays whole.
 */
const releaseCartHolds = `
  update reservations set status = 'released', ended_at = ?
  where status = 'held' and invoice_id is null and id in (
    select r.id from reservations r
    where r.status = 'held' and r.invoice_id is null and r.flash_sale_id in (${cancelledSaleIds})
    limit ?)
  returning ${endedHoldColumns}`

/** Releases the holds in carts. `now` in epoch ms. */
export function* releaseCancelledCartHolds(now: number, limit: number): Script<Swept> {
  const ended = yield* all<EndedHold>(releaseCartHolds, now, limit)
  const productIds = yield* returnToStock(ended, 'released', now)
  return { ended: ended.length, productIds }
}

const cancelInvoices = `
  update invoices set status = 'cancelled', ended_at = ?
  where status = 'unpaid' and id in (
    select distinct r.invoice_id from reservations r
    join invoices i on i.id = r.invoice_id
    where r.status = 'held' and i.status = 'unpaid' and r.flash_sale_id in (${cancelledSaleIds})
      and not exists (
        select 1 from reservations other join flash_sales f on f.id = other.flash_sale_id
        where other.invoice_id = i.id and other.status = 'held' and f.state <> 'cancelled')
    limit ?)
  returning id`

/** Cancels the unpaid invoices of which nothing is left. */
export function* cancelInvoicesOfCancelled(now: number, limit: number): Script<Swept> {
  const invoices = yield* all<{ id: string }>(cancelInvoices, now, limit)
  return yield* endInvoicedHolds(invoices, 'released', now)
}

const reduceInvoices = `
  update invoices set total_minor = (
    select sum(l.line_total_minor) from invoice_details l
    join reservations r on r.id = l.reservation_id
    join flash_sales f on f.id = r.flash_sale_id
    where l.invoice_id = invoices.id and r.status = 'held' and f.state <> 'cancelled')
  where status = 'unpaid' and id in (
    select distinct r.invoice_id from reservations r
    join invoices i on i.id = r.invoice_id
    where r.status = 'held' and i.status = 'unpaid' and r.flash_sale_id in (${cancelledSaleIds})
      and exists (
        select 1 from reservations other join flash_sales f on f.id = other.flash_sale_id
        where other.invoice_id = i.id and other.status = 'held' and f.state <> 'cancelled')
    limit ?)
  returning id`
const releaseLines = (count: number) => `
  update reservations set status = 'released', ended_at = ?
  where status = 'held' and invoice_id in (${placeholders(count)}) and flash_sale_id in (${cancelledSaleIds})
  returning ${endedHoldColumns}`
const markLine = `
  update invoice_details set cancelled_at = ? where reservation_id = ? and cancelled_at is null`

/**
 * Takes the lines of called-off sales out of unpaid invoices that also have others: their units go back, the
 * lines are marked, and the total is the sum of the rest. The due date stays.
 */
export function* releaseCancelledLines(now: number, limit: number): Script<Swept> {
  const invoices = yield* all<{ id: string }>(reduceInvoices, limit)
  if (invoices.length === 0) return { ended: 0, productIds: [] }
  const ids = padded(invoices.map(({ id }) => id))
  const ended = yield* all<EndedHold>(releaseLines(invoices.length), now, ...ids)
  for (const { id } of ended) yield* run(markLine, now, id)
  const productIds = yield* returnToStock(ended, 'released', now)
  return { ended: invoices.length, productIds }
}
