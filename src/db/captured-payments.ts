import type { InvoiceStatus } from '../domain/invoice.ts'
import type { PaymentStatus } from '../domain/payment.ts'
import { all, type Script } from './database.ts'

/** Our side of a comparison with the provider's books. */
export interface OurPayment {
  readonly paymentId: string
  readonly invoiceId: string
  readonly status: PaymentStatus
  readonly invoiceStatus: InvoiceStatus
  /** Minor units of `currency`. */
  readonly amountMinor: number
  readonly currency: string
}

const columns = `
  p.id as "paymentId", p.invoice_id as "invoiceId", p.status, i.status as "invoiceStatus",
  p.amount_minor as "amountMinor", p.currency`
const selectRange = `
  select ${columns}
  from payments p join invoices i on i.id = p.invoice_id
  where p.id > ? and p.id <= ? and p.status in ('authorized', 'captured', 'late', 'stranded')
  order by p.id`

/** Attempts with money in the range of ids `after < id <= last`. */
export function* readMoneyBetween(after: string, last: string): Script<readonly OurPayment[]> {
  return yield* all<OurPayment>(selectRange, after, last)
}

const selectUncaptured = `
  select ${columns}
  from payments p join invoices i on i.id = p.invoice_id
  where p.status = 'authorized' and i.status = 'paid' and i.paid_at <= ?
  order by p.updated_at limit ?`

/** Paid before `paidBefore` (epoch ms), and the provider has not confirmed the capture. */
export function* readUncaptured(paidBefore: number, limit: number): Script<readonly OurPayment[]> {
  return yield* all<OurPayment>(selectUncaptured, paidBefore, limit)
}
