import type { Payment } from '../../domain/payment.ts'
import { all, run, type Script } from '../database.ts'
import { paymentColumns } from './read-payment.ts'

/** An attempt that is still open: the resolver asks the provider about it. */
export interface UnsettledPayment extends Payment {
  /** When its invoice is due, epoch ms. */
  readonly dueAt: number
  /** The number of late payments of the same invoice that wait for the end of this attempt. */
  readonly waiting: number
}

const selectUnsettled = `
  select ${paymentColumns},
    (select i.due_at from invoices i where i.id = payments.invoice_id) as "dueAt",
    (select count(*) from payments as other
     where other.invoice_id = payments.invoice_id and other.status = 'late') as waiting
  from payments
  where status in ('authorizing', 'authorized', 'late') and updated_at <= ?
  order by updated_at limit ?`

/**
 * Finds the open attempts without progress since `untouchedSince` (epoch ms), the oldest first: the
 * process that worked on them may be gone.
 */
export function* readUnsettled(
  untouchedSince: number,
  limit: number,
): Script<readonly UnsettledPayment[]> {
  return yield* all<UnsettledPayment>(selectUnsettled, untouchedSince, limit)
}

const touch = `
  update payments set updated_at = ?
  where id = ? and status in ('authorizing', 'authorized', 'late')`

/** Moves an open attempt to the end of the resolver's queue. */
export function* touchPayment(paymentId: string, now: number): Script<void> {
  yield* run(touch, now, paymentId)
}
