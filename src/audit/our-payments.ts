import type { InvoiceStatus } from '../domain/invoice.ts'
import type { PaymentStatus } from '../domain/payment.ts'
import { all, type Script } from '../db/database.ts'

/** A payment of our database, as the comparison with the provider's ledger needs it. */
export interface OurPayment {
  readonly paymentId: string
  readonly invoiceId: string
  readonly status: PaymentStatus
  readonly invoiceStatus: InvoiceStatus
  /** The time when its invoice was paid or ended otherwise, epoch ms. */
  readonly invoiceEndedAt: number | null
  /** Minor units of `currency`. */
  readonly amountMinor: number
  readonly currency: string
}

const columns = `
  p.id as "paymentId", p.invoice_id as "invoiceId", p.status, i.status as "invoiceStatus",
  coalesce(i.paid_at, i.ended_at) as "invoiceEndedAt", p.amount_minor as "amountMinor", p.currency`
const selectRange = `
  select ${columns}
  from payments p join invoices i on i.id = p.invoice_id
  where p.id > ? and p.id <= ? and p.status in ('authorized', 'captured', 'late', 'stranded')
  order by p.id`

/** Reads the attempts that have money and an id in the range `after < id <= last`. */
export function* readMoneyBetween(after: string, last: string): Script<readonly OurPayment[]> {
  return yield* all<OurPayment>(selectRange, after, last)
}

const selectOverdue = `
  select ${columns}
  from payments p join invoices i on i.id = p.invoice_id
  where p.status in ('authorizing', 'authorized', 'late')
    and case p.status when 'authorized' then i.paid_at else i.due_at end <= ?
  order by p.updated_at limit ?`

/**
 * Reads attempts that were still open at `before` (epoch ms) and should have ended by then: paid
 * without a confirmed capture, or undecided although their invoice was due.
 */
export function* readOverdue(before: number, limit: number): Script<readonly OurPayment[]> {
  return yield* all<OurPayment>(selectOverdue, before, limit)
}
