import type { InvoiceStatus } from '../domain/invoice.ts'
import type { AttentionReason } from '../domain/payment.ts'
import { all, first, one, type Script } from './database.ts'

/**
 * Money that came and pays nothing: a stranded payment of ours, or a capture that a restored copy
 * has forgotten, whose invoice, user and method are unknown here. Only a person ends such an entry.
 */
export interface AttentionEntry {
  readonly paymentId: string
  readonly invoiceId: string | null
  readonly invoiceStatus: InvoiceStatus | null
  readonly userId: number | null
  readonly method: string | null
  /** Minor units of `currency`. */
  readonly amountMinor: number
  readonly currency: string
  readonly reason: AttentionReason
  /** When the program found out, epoch ms. */
  readonly since: number
}

const strandedColumns = `
  p.id as "paymentId", p.invoice_id as "invoiceId", i.status as "invoiceStatus",
  p.user_id as "userId", p.method, p.amount_minor as "amountMinor", p.currency,
  p.stranded_reason as reason, p.stranded_at as since`
const forgottenColumns = `
  payment_id as "paymentId", null as "invoiceId", null as "invoiceStatus", null as "userId",
  null as method, amount_minor as "amountMinor", currency, 'forgotten' as reason, found_at as since`
const selectOpen = `
  select * from (
    select ${strandedColumns}
    from payments p join invoices i on i.id = p.invoice_id
    where p.status = 'stranded' and p.closed_at is null and p.id > ?
    union all
    select ${forgottenColumns}
    from forgotten_captures
    where closed_at is null and payment_id > ?)
  order by "paymentId" limit ?`

/**
 * The open entries in the order of their payments' ids, which is the order the attempts began in.
 */
export function* listAttention(page: {
  readonly after: string
  readonly limit: number
}): Script<readonly AttentionEntry[]> {
  return yield* all<AttentionEntry>(selectOpen, page.after, page.after, page.limit)
}

export interface CloseAttention {
  readonly paymentId: string
  readonly note: string
  readonly now: number
}

const closeStranded = `
  update payments set closed_at = ?, closed_note = ?
  where id = ? and status = 'stranded' and closed_at is null
  returning id`
const closeForgotten = `
  update forgotten_captures set closed_at = ?, closed_note = ?
  where payment_id = ? and closed_at is null
  returning payment_id`
const selectClosed = `
  select ${strandedColumns}, p.closed_note as note
  from payments p join invoices i on i.id = p.invoice_id
  where p.id = ? and p.status = 'stranded'
  union all
  select ${forgottenColumns}, closed_note as note
  from forgotten_captures
  where payment_id = ?`

export type CloseRefusal = 'not_found' | 'attention_closed'

/**
 * Takes an entry off the list and keeps its note for good. Closing it again with the same note
 * changes nothing, with another note it is `attention_closed`. `not_found` when it never was on the
 * list.
 */
export function* closeAttention({
  paymentId,
  note,
  now,
}: CloseAttention): Script<AttentionEntry | CloseRefusal> {
  yield* first(closeStranded, now, note, paymentId)
  yield* first(closeForgotten, now, note, paymentId)
  const found = yield* first<AttentionEntry & { readonly note: string }>(
    selectClosed,
    paymentId,
    paymentId,
  )
  if (found === undefined) return 'not_found'
  const { note: kept, ...closed } = found
  return kept === note ? closed : 'attention_closed'
}

const countOpen = `
  select (select count(*) from payments where status = 'stranded' and closed_at is null)
    + (select count(*) from forgotten_captures where closed_at is null) as count`

/** Counts the entries that wait for a person. */
export function* countAttention(): Script<number> {
  return (yield* one<{ count: number }>(countOpen)).count
}
