import type { Mutant } from './mutant.ts'

const begin = {
  file: 'src/db/payments/begin-payment.ts',
  suite: 'src/db/payments/begin-payment.test.ts',
}
const settle = {
  file: 'src/db/payments/settle-authorized.ts',
  suite: 'src/db/payments/settle-authorized.test.ts',
}
const payInvoice = { file: 'src/db/payments/pay-invoice.ts', suite: settle.suite }
const tell = {
  file: 'src/db/payments/tell-answer.ts',
  suite: 'src/db/payments/tell-answer.test.ts',
}
const decline = { file: 'src/db/payments/decline.ts', suite: 'src/db/payments/decline.test.ts' }
const giveUp = {
  file: 'src/db/payments/give-up-payment.ts',
  suite: 'src/db/payments/give-up-payment.test.ts',
}

const late = 'migrations/sqlite/0002_late_money.sql'
const transitions = {
  file: 'migrations/sqlite/0007_invoice_lines.sql',
  find: `when old.status <> new.status and old.status <> 'paid'`,
  replace: 'when false',
}
const settledForEver = {
  file: late,
  find: `when (old.status in ('captured', 'stranded') and new.status <> old.status)
  or (old.status in ('declined', 'voided') and new.status not in (old.status, 'late'))`,
  replace: 'when false',
}
const oneLive = {
  file: late,
  find: 'create unique index payments_one_live_per_invoice',
  replace: 'create index payments_one_live_per_invoice',
}

const claim = `where id = ? and user_id = ? and status = 'unpaid' and due_at > ?`
const noLiveAttempt = {
  file: begin.file,
  find: `where invoice_id = ? and status in ('authorizing', 'authorized', 'captured', 'late'))`,
  replace: 'where invoice_id = ? and false)',
}

/** Mutants of the guarded transitions of invoices and payments. */
export const payingMutants: readonly Mutant[] = [
  {
    id: 'pay-unpaid-only',
    breaks: 'I8, I12: an invoice that was cancelled is paid',
    ...begin,
    find: claim,
    replace: 'where id = ? and user_id = ? and due_at > ?',
  },
  {
    id: 'pay-unpaid-only-and-trigger',
    breaks: 'I8, I12: the same without the trigger behind it',
    ...begin,
    find: claim,
    replace: 'where id = ? and user_id = ? and due_at > ?',
    also: [transitions],
  },
  {
    id: 'pay-before-due',
    breaks: 'F15: an invoice that is overdue is paid while the sweep expires it',
    ...begin,
    find: claim,
    replace: `where id = ? and user_id = ? and status = 'unpaid' and ? > 0`,
  },
  {
    id: 'pay-once-at-a-time',
    breaks: 'I12, F17: money of an earlier attempt is on its way, and a second one is begun',
    ...begin,
    ...noLiveAttempt,
    suite: 'src/payments/late-money.test.ts',
  },
  {
    id: 'pay-once-at-a-time-whatever-guards-it',
    breaks: 'I12, F17: two attempts at once on one invoice',
    ...begin,
    find: claim,
    replace: `where id = ? and user_id = ? and status in ('unpaid', 'paying') and due_at > ?`,
    also: [noLiveAttempt, oneLive],
    kept: 'The status of the invoice, the look for a live attempt and the unique index.',
  },
  {
    id: 'pay-same-key',
    breaks: 'I17: a repeated key begins a second attempt',
    ...begin,
    find: 'if (known !== undefined) {',
    replace: 'if (known === null) {',
  },
  {
    id: 'pay-key-for-another-wish',
    breaks: 'I17: a key used for another invoice or card is answered with the old attempt',
    ...begin,
    find: `if (known.invoiceId !== invoiceId || known.method !== method) return { kind: 'key_reused' }`,
    replace: '',
  },
  {
    id: 'nothing-to-pay',
    breaks: 'a bank may decline an invoice over 0',
    ...begin,
    find: 'if (due.totalMinor === 0) return yield* payNothing(order, due)',
    replace: '',
  },
  {
    id: 'pay-without-cancelled-lines',
    breaks: 'an invoice that lost a called-off line can never be paid',
    ...payInvoice,
    suite: 'src/db/called-off-sales.test.ts',
    find: 'where invoice_id = ? and cancelled_at is null`',
    replace: 'where invoice_id = ?`',
  },
  {
    id: 'final-answer-is-remembered',
    breaks: 'I17: a key that was answered with "declined" is answered with "paid" after late money',
    ...tell,
    find: `if (answer !== 'paid' && answer !== 'pending') yield* run(remember, answer, paymentId)`,
    replace: '',
  },
  {
    id: 'final-answer-is-repeated',
    breaks: 'I17: the same, though it was remembered',
    ...tell,
    find: 'if (payment.toldAnswer !== null) return payment.toldAnswer',
    replace: '',
  },
  {
    id: 'authorise-open-attempts-only',
    breaks: 'I12: an attempt that was declined or voided pays',
    ...settle,
    find: `where id = ? and status = 'authorizing' and given_up_at is null`,
    replace: 'where id = ? and given_up_at is null',
  },
  {
    id: 'authorise-open-attempts-only-and-trigger',
    breaks: 'I12: the same without the trigger behind it',
    ...settle,
    find: `where id = ? and status = 'authorizing' and given_up_at is null`,
    replace: 'where id = ? and given_up_at is null',
    also: [settledForEver],
  },
  {
    id: 'given-up-never-pays',
    breaks: 'I12, I13: an attempt that is being voided pays',
    ...settle,
    find: `where id = ? and status = 'authorizing' and given_up_at is null`,
    replace: `where id = ? and status = 'authorizing'`,
  },
  {
    id: 'paid-from-paying',
    breaks: 'I9: an invoice is paid out of a state in which its holds may be gone',
    ...payInvoice,
    find: `update invoices set status = 'paid', paid_at = ?
  where id = ? and status = ?`,
    replace: `update invoices set status = 'paid', paid_at = ?
  where id = ? and ? is not null`,
  },
  {
    id: 'sell-held-only',
    breaks: 'I9, I10: a hold that has ended is sold',
    ...payInvoice,
    find: `where invoice_id = ? and status = 'held'
  returning`,
    replace: `where invoice_id = ?
  returning`,
  },
  {
    id: 'sell-held-only-and-trigger',
    breaks: 'I9, I10: the same without the trigger behind it',
    ...payInvoice,
    find: `where invoice_id = ? and status = 'held'
  returning`,
    replace: `where invoice_id = ?
  returning`,
    also: [
      {
        file: 'migrations/sqlite/0001_initial.sql',
        find: `when old.status <> 'held'`,
        replace: 'when false',
      },
    ],
  },
  {
    id: 'sell-every-line',
    breaks: 'I9: an invoice is paid though one of its holds is lost',
    ...payInvoice,
    find: 'if (sold.length !== lines) throw new Error(`invoice ${invoiceId} lost a hold while paying`)',
    replace: 'void lines',
  },
  {
    id: 'capture-when-paid',
    breaks: 'I12: money is captured for an invoice that could not be paid',
    ...settle,
    find: `return (yield* payInvoice(authorized.invoiceId, 'paying', now)) ? 'capture' : 'void'`,
    replace: `yield* payInvoice(authorized.invoiceId, 'paying', now)
  return 'capture'`,
  },
  {
    id: 'settled-again-when-paid',
    breaks: 'I12: the same when the answer comes twice',
    ...settle,
    find: `return settled.invoiceStatus === 'paid' ? 'capture' : 'void'`,
    replace: `return 'capture'`,
  },
  {
    id: 'captured-when-paid',
    breaks: 'I12: our books say captured, and the invoice is not paid',
    ...settle,
    find: `where id = ? and status = 'authorized'
    and exists (select 1 from invoices i where i.id = payments.invoice_id and i.status = 'paid')`,
    replace: `where id = ?`,
    kept: 'Only the payment of a paid invoice stays `authorized`; the invoice is looked at all the same.',
  },
  {
    id: 'give-up-open-attempts-only',
    breaks: 'I12, I13: what has paid is given up and voided',
    ...giveUp,
    find: `set given_up_at = coalesce(given_up_at, ?), updated_at = ?
  where id = ? and status = 'authorizing'`,
    replace: `set given_up_at = coalesce(given_up_at, ?), updated_at = ?
  where id = ?`,
  },
  {
    id: 'end-open-attempts-only',
    breaks: 'I12: an attempt that has ended ends again, and takes the next one along',
    ...decline,
    find: `where id = ? and status in ('authorizing', 'authorized')
    and not exists`,
    replace: `where id = ?
    and not exists`,
  },
  {
    id: 'end-open-attempts-only-and-trigger',
    breaks: 'I12: the same without the trigger behind it',
    ...decline,
    find: `where id = ? and status in ('authorizing', 'authorized')
    and not exists`,
    replace: `where id = ?
    and not exists`,
    also: [settledForEver],
  },
  {
    id: 'end-unpaid-only',
    breaks: 'I8, I13: the attempt that paid an invoice is ended',
    ...decline,
    find: `and not exists (select 1 from invoices i where i.id = payments.invoice_id and i.status = 'paid')`,
    replace: '',
  },
  {
    id: 'unpaid-from-paying',
    breaks: 'I8: the end of an attempt makes an invoice unpaid that is not being paid',
    ...decline,
    find: `update invoices set status = 'unpaid', due_at = ?, extended_at = ?
  where id = ? and status = 'paying'`,
    replace: `update invoices set status = 'unpaid', due_at = ?, extended_at = ?
  where id = ?`,
  },
  {
    id: 'extended-once',
    breaks: 'one shopper keeps units from all others with one declined card after the other',
    ...decline,
    find: 'if (extendedAt !== null || graceEndsAt <= dueAt) return { dueAt, extendedAt }',
    replace: 'if (graceEndsAt <= dueAt) return { dueAt, extendedAt }',
  },
]
