import type { InvoiceStatus } from '../domain/invoice.ts'
import type { StrandedReason } from '../domain/payment.ts'
import { all, first, one, type Script } from './database.ts'

/** Money that came and pays nothing. Only a person ends such an entry. */
export interface StrandedPayment {
  readonly paymentId: string
  readonly invoiceId: string
  readonly invoiceStatus: InvoiceStatus
  readonly userId: number
  readonly method: string
  /** Minor units of `currency`. */
  readonly amountMinor: number
  readonly currency: string
  readonly reason: StrandedReason
  /** Epoch ms. */
  readonly since: number
}

const columns = `
  p.id as "paymentId", p.invoice_id as "invoiceId", i.status as "invoiceStatus",
  p.user_id as "userId", p.method, p.amount_minor as "amountMinor", p.currency,
  p.stranded_reason as reason, p.stranded_at as since`
const selectStranded = `
  select ${columns}
  from payments p join invoices i on i.id = p.invoice_id
  where p.status = 'stranded' and p.closed_at is null and p.id > ?
  order by p.id limit ?`

/** In the order of their payments' ids, which is the order the attempts began in. */
export function* listStranded(page: {
  readonly after: string
  readonly limit: number
}): Script<readonly StrandedPayment[]> {
  return yield* all<StrandedPayment>(selectStranded, page.after, page.limit)
}

export interface CloseStranded {
  readonly paymentId: string
  readonly note: string
  readonly now: number
}

const closeSql = `
  update payments set closed_at = ?, closed_note = ?
  where id = ? and status = 'stranded' and closed_at is null
  returning id`
const selectClosed = `
  select ${columns}, p.closed_note as note
  from payments p join invoices i on i.id = p.invoice_id
  where p.id = ? and p.status = 'stranded'`

export type CloseRefusal = 'not_found' | 'attention_closed'

/**
 * Takes it off the list, and its note stays for good: closing it again with the same note changes
 * nothing, with another it is `attention_closed`. `not_found` when it never was on the list.
 */
export function* closeStranded({
  paymentId,
  note,
  now,
}: CloseStranded): Script<StrandedPayment | CloseRefusal> {
  yield* first(closeSql, now, note, paymentId)
  const found = yield* first<StrandedPayment & { readonly note: string }>(selectClosed, paymentId)
  if (found === undefined) return 'not_found'
  const { note: kept, ...closed } = found
  return kept === note ? closed : 'attention_closed'
}

const countSql = `
  select count(*) as count from payments where status = 'stranded' and closed_at is null`

/** How many wait for a person. */
export function* countStranded(): Script<number> {
  return (yield* one<{ count: number }>(countSql)).count
}
