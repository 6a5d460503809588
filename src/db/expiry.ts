import { all, padded, placeholders, type Script } from './database.ts'
import { endedHoldColumns, returnToStock, type EndedHold } from './holds.ts'

/**
 * One batch of the sweep. Every update names the status it leaves, so two sweepers at once are
 * harmless, and none touches an invoice that is being paid.
 */
export interface Swept {
  /** The number of ended holds or invoices; fewer than `limit` means that none is left. */
  readonly ended: number
  /** Products that have stock again. */
  readonly productIds: readonly number[]
}

const expireCartHoldsSql = `
  update reservations set status = 'expired', ended_at = ?
  where status = 'held' and invoice_id is null and id in (
    select id from reservations
    where status = 'held' and invoice_id is null and expires_at <= ?
    order by expires_at limit ?)
  returning ${endedHoldColumns}`

/** Expires holds in carts whose time is over. `now` in epoch ms. */
export function* expireCartHolds(now: number, limit: number): Script<Swept> {
  const ended = yield* all<EndedHold>(expireCartHoldsSql, now, now, limit)
  const productIds = yield* returnToStock(ended, 'expired', now)
  return { ended: ended.length, productIds }
}

const expireInvoicesSql = `
  update invoices set status = 'expired', ended_at = ?
  where status = 'unpaid' and id in (
    select id from invoices where status = 'unpaid' and due_at <= ? order by due_at limit ?)
  returning id`

/** Expires unpaid invoices past their due date, with their holds. */
export function* expireInvoices(now: number, limit: number): Script<Swept> {
  const invoices = yield* all<{ id: string }>(expireInvoicesSql, now, now, limit)
  return yield* endInvoicedHolds(invoices, 'expired', now)
}

const endHoldsOfInvoices = (count: number) => `
  update reservations set status = ?, ended_at = ?
  where status = 'held' and invoice_id in (${placeholders(count)})
  returning ${endedHoldColumns}`

/** Ends the holds of invoices that have just been moved out of `unpaid` by the caller. */
export function* endInvoicedHolds(
  invoices: readonly { readonly id: string }[],
  kind: 'released' | 'expired',
  now: number,
): Script<Swept> {
  if (invoices.length === 0) return { ended: 0, productIds: [] }
  const ids = padded(invoices.map(({ id }) => id))
  const holds = yield* all<EndedHold>(endHoldsOfInvoices(invoices.length), kind, now, ...ids)
  const productIds = yield* returnToStock(holds, kind, now)
  return { ended: invoices.length, productIds }
}
