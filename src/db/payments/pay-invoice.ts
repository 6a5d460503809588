import { all, first, one, type Script } from '../database.ts'
import { endedHoldColumns, moveToSold, type EndedHold } from '../holds.ts'

const markPaid = `
  update invoices set status = 'paid', paid_at = ?
  where id = ? and status = ?
  returning id`
const sellHolds = `
  update reservations set status = 'sold', ended_at = ?
  where invoice_id = ? and status = 'held'
  returning ${endedHoldColumns}`
const countLines = `
  select count(*) as lines from invoice_details where invoice_id = ? and cancelled_at is null`

/**
 * The guarded update of paying: moves an invoice from `from`, a status whose holds are alive, to `paid`
 * and sells its holds. Returns false when the invoice has another status by now.
 * @throws Error when a line has lost its hold; the transaction then leaves nothing behind.
 */
export function* payInvoice(
  invoiceId: string,
  from: 'paying' | 'unpaid',
  now: number,
): Script<boolean> {
  const paid = yield* first(markPaid, now, invoiceId, from)
  if (paid === undefined) return false
  const sold = yield* all<EndedHold>(sellHolds, now, invoiceId)
  const { lines } = yield* one<{ lines: number }>(countLines, invoiceId)
  if (sold.length !== lines) throw new Error(`invoice ${invoiceId} lost a hold while paying`)
  yield* moveToSold(sold, now)
  return true
}
