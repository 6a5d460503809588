import type { Invoice, InvoiceLine, InvoiceStatus } from '../domain/invoice.ts'
import { all, first, padded, placeholders, type Script, type SqlValue } from './database.ts'
import { endInvoicedHolds } from './expiry.ts'

type Head = Omit<Invoice, 'lines' | 'cancelledLines'>

const invoiceColumns = `
  i.id, i.user_id as "userId", i.status, i.total_minor as "totalMinor", i.currency,
  i.due_at as "dueAt", i.created_at as "createdAt", i.paid_at as "paidAt"`

const selectInvoice = `select ${invoiceColumns} from invoices i where i.id = ? and i.user_id = ?`

/** Reads the user's own invoice; undefined when there is none or it is another user's. */
export function* readInvoice(userId: number, invoiceId: string): Script<Invoice | undefined> {
  const head = yield* first<Head>(selectInvoice, invoiceId, userId)
  if (head === undefined) return undefined
  const [invoice] = yield* withLines([head])
  return invoice
}

const selectAtCheckout = `
  select i.id, i.user_id as "userId", 'unpaid' as status, i.currency,
    i.checkout_due_at as "dueAt", i.created_at as "createdAt", null as "paidAt"
  from invoices i where i.id = ? and i.user_id = ?`
const selectLinesAtCheckout = `
  select checkout_reservation_id as "reservationId", product_id as "productId", name, quantity,
    unit_price_minor as "unitPriceMinor", line_total_minor as "lineTotalMinor"
  from invoice_details where invoice_id = ?
  order by checkout_reservation_id`

/**
 * Reads the user's own invoice as checkout made it, whatever became of it since: unpaid, with all its lines, their
 * first reservations and the first due date. A repeated checkout is answered with it.
 */
export function* readInvoiceAtCheckout(
  userId: number,
  invoiceId: string,
): Script<Invoice | undefined> {
  const head = yield* first<Omit<Head, 'totalMinor'>>(selectAtCheckout, invoiceId, userId)
  if (head === undefined) return undefined
  const lines = yield* all<InvoiceLine>(selectLinesAtCheckout, invoiceId)
  const totalMinor = lines.reduce((sum, { lineTotalMinor }) => sum + lineTotalMinor, 0)
  return { ...head, lines, cancelledLines: [], totalMinor }
}

const selectOfUser = `
  select ${invoiceColumns} from invoices i
  where i.user_id = ? and i.id < ?
  order by i.id desc limit ?`

/** Lists a user's invoices, newest first; `before` is the last id of the previous page. */
export function* listInvoicesOfUser(
  userId: number,
  page: { readonly before: string; readonly limit: number },
): Script<readonly Invoice[]> {
  return yield* withLines(yield* all<Head>(selectOfUser, userId, page.before, page.limit))
}

export interface InvoiceFilter {
  readonly productId: number | undefined
  readonly status: InvoiceStatus | undefined
  /** The list begins after this id; empty for the first page. */
  readonly after: string
  readonly limit: number
}

/** Lists the invoices of all users, oldest first. A line that was called off no longer counts for `productId`. */
export function* listInvoices(filter: InvoiceFilter): Script<readonly Invoice[]> {
  const conditions = ['i.id > ?']
  const values: SqlValue[] = [filter.after]
  if (filter.productId !== undefined) {
    conditions.push(
      `exists (select 1 from invoice_details d
        where d.product_id = ? and d.invoice_id = i.id and d.cancelled_at is null)`,
    )
    values.push(filter.productId)
  }
  if (filter.status !== undefined) {
    conditions.push('i.status = ?')
    values.push(filter.status)
  }
  const text = `
    select ${invoiceColumns} from invoices i
    where ${conditions.join(' and ')}
    order by i.id limit ?`
  return yield* withLines(yield* all<Head>(text, ...values, filter.limit))
}

const selectLines = (count: number) => `
  select invoice_id as "invoiceId", reservation_id as "reservationId", product_id as "productId",
    name, quantity, unit_price_minor as "unitPriceMinor", line_total_minor as "lineTotalMinor",
    cancelled_at is not null as "isCancelled"
  from invoice_details
  where invoice_id in (${placeholders(count)})
  order by invoice_id, checkout_reservation_id`

interface LineRow extends InvoiceLine {
  readonly invoiceId: string
  /** 0 or 1. */
  readonly isCancelled: number
}

function* withLines(heads: readonly Head[]): Script<readonly Invoice[]> {
  if (heads.length === 0) return []
  const ids = padded(heads.map(({ id }) => id))
  const rows = yield* all<LineRow>(selectLines(heads.length), ...ids)
  const lines = new Map<string, InvoiceLine[]>(heads.map(({ id }) => [id, []]))
  const cancelledLines = new Map<string, InvoiceLine[]>(heads.map(({ id }) => [id, []]))
  for (const { invoiceId, isCancelled, ...line } of rows) {
    const group = isCancelled === 1 ? cancelledLines : lines
    group.get(invoiceId)?.push(line)
  }
  return heads.map((head) => ({
    ...head,
    lines: lines.get(head.id) ?? [],
    cancelledLines: cancelledLines.get(head.id) ?? [],
  }))
}

const cancelUnpaid = `
  update invoices set status = 'cancelled', ended_at = ?
  where id = ? and user_id = ? and status = 'unpaid'
  returning id`

export type CancelResult =
  | {
      readonly kind: 'cancelled'
      readonly invoice: Invoice
      readonly productIds: readonly number[]
    }
  | { readonly kind: 'not_unpaid'; readonly invoice: Invoice }
  | { readonly kind: 'not_found' }

/** Cancels an unpaid invoice for its owner; the units go back to stock. */
export function* cancelInvoice(
  userId: number,
  invoiceId: string,
  now: number,
): Script<CancelResult> {
  const cancelled = yield* all<{ id: string }>(cancelUnpaid, now, invoiceId, userId)
  const { productIds } = yield* endInvoicedHolds(cancelled, 'released', now)
  const invoice = yield* readInvoice(userId, invoiceId)
  if (invoice === undefined) return { kind: 'not_found' }
  if (cancelled.length === 0) return { kind: 'not_unpaid', invoice }
  return { kind: 'cancelled', invoice, productIds }
}
