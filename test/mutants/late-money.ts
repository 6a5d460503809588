import type { Mutant } from './mutant.ts'

const suite = 'src/payments/late-money.test.ts'
const scriptSuite = 'src/db/payments/late-money.test.ts'
const late = { file: 'src/db/payments/late-money.ts', suite }
const scripts = { file: late.file, suite: scriptSuite }
const expired = { file: 'src/db/payments/pay-expired-invoice.ts', suite }

/** Mutants of money that comes after its attempt has ended. */
export const lateMoneyMutants: readonly Mutant[] = [
  {
    id: 'take-again',
    breaks: 'I1, I7: an expired invoice is paid with units that are gone',
    ...expired,
    find: 'where found.available < wanted.quantity)',
    replace: 'where false)',
  },
  {
    id: 'take-again-at-all',
    breaks: 'I3, I9: an expired invoice is paid and takes no units',
    ...expired,
    find: `if (taken.length === 0) return 'sold_out'`,
    replace: '',
  },
  {
    id: 'late-money-purchase-limit',
    breaks: 'I14: late money lifts the purchase limit',
    ...expired,
    find: `if (taken + wanted > purchaseLimit) return 'purchase_limit_reached'`,
    replace: 'void [taken, wanted]',
  },
  {
    id: 'late-money-limit-counts-sold',
    breaks: 'I14: late money lifts the purchase limit for those who have bought',
    ...expired,
    find: `where user_id = ? and product_id = ? and status in ('held', 'sold')`,
    replace: `where user_id = ? and product_id = ? and status = 'held'`,
  },
  {
    id: 'late-money-is-taken-up',
    breaks: 'I12: late money that has to wait is forgotten',
    ...late,
    file: 'src/db/payments/unsettled-payments.ts',
    find: `where status in ('authorizing', 'authorized', 'late') and updated_at <= ?`,
    replace: `where status in ('authorizing', 'authorized') and updated_at <= ?`,
  },
  {
    id: 'late-money-pays-at-once',
    breaks:
      'I8: the sweep expires an invoice whose money is here, between the end of an attempt and its placing',
    ...late,
    file: 'src/db/payments/decline.ts',
    find: 'if (waiting === undefined) return undefined',
    replace: 'if (waiting !== null) return undefined',
  },
  {
    id: 'late-money-goes-first',
    breaks: 'I12: a second card is captured though the money of the first is here',
    ...late,
    file: 'src/db/payments/settle-authorized.ts',
    find: `where other.invoice_id = payments.invoice_id and other.status = 'late')
  returning`,
    replace: `where other.invoice_id = payments.invoice_id and other.status = 'never')
  returning`,
  },
  {
    id: 'late-money-called-off',
    breaks: 'late money buys in a sale that was called off',
    ...expired,
    find: `if (lines.some(({ saleState }) => saleState === 'cancelled')) return 'sale_cancelled'`,
    replace: '',
  },
  {
    id: 'late-money-waits',
    breaks: 'I12: late money pays an invoice that another card is paying',
    ...late,
    find: `if (late.invoiceStatus === 'paying' && isWholeTotal(late)) return 'waits'`,
    replace: '',
    also: [
      {
        file: late.file,
        find: `    case 'paying':
      return 'amount_changed'`,
        replace: `    case 'paying':`,
      },
    ],
    kept: 'An invoice that is being paid is refused again where the status decides.',
  },
  {
    id: 'late-money-of-another-total',
    breaks: 'I12, I16: more money than the total pays an invoice that lost a line',
    ...scripts,
    find: 'amountMinor === totalMinor',
    replace: 'amountMinor + totalMinor > 0',
  },
  {
    id: 'late-money-leaves-cancelled-lines',
    breaks: 'I9: late money sells a line that was called off',
    ...expired,
    suite: scriptSuite,
    find: 'where l.invoice_id = ? and l.cancelled_at is null',
    replace: 'where l.invoice_id = ?',
  },
  {
    id: 'late-money-takes-no-cancelled-units',
    breaks: 'I3: late money takes units for a line that was called off',
    ...expired,
    suite: scriptSuite,
    find: 'where invoice_id = ? and cancelled_at is null group by product_id) as line',
    replace: 'where invoice_id = ? group by product_id) as line',
  },
  {
    id: 'late-from-ended',
    breaks: 'I12: money of an attempt that is under way, or has paid, is taken for late',
    ...scripts,
    find: `where id = ? and status in ('declined', 'voided')`,
    replace: 'where id = ?',
  },
  {
    id: 'moved-from-authorizing',
    breaks: 'I12: an attempt that has ended pays an invoice that another attempt is paying',
    ...scripts,
    find: `update payments set status = 'authorized', updated_at = ?
  where id = ? and status = 'authorizing'`,
    replace: `update payments set status = 'authorized', updated_at = ?
  where id = ?`,
  },
  {
    id: 'place-late-only',
    breaks: 'I12: money is placed a second time',
    ...scripts,
    find: `where p.id = ? and p.status = 'late'\``,
    replace: 'where p.id = ?`',
  },
  {
    id: 'placed-from-late',
    breaks: 'I12: stranded money pays after all, without a person',
    ...scripts,
    find: `where p.id = ? and p.status = 'late'\``,
    replace: 'where p.id = ?`',
    also: [
      {
        file: late.file,
        find: `update payments set status = 'authorized', updated_at = ?
  where id = ? and status = 'late'`,
        replace: `update payments set status = 'authorized', updated_at = ?
  where id = ?`,
      },
      {
        file: late.file,
        find: `set status = 'stranded', stranded_at = ?, stranded_reason = ?, updated_at = ?
  where id = ? and status = 'late'`,
        replace: `set status = 'stranded', stranded_at = ?, stranded_reason = ?, updated_at = ?
  where id = ?`,
      },
    ],
    kept: 'Read as late and placed as late in one transaction; where they overlap the writes guard.',
  },
  {
    id: 'capture-placed-when-paid',
    breaks: 'I12: money is captured for an invoice that is not paid',
    ...scripts,
    find: `where p.id = ? and p.status = 'authorized' and i.status = 'paid'`,
    replace: 'where p.id = ?',
  },
  {
    id: 'paid-again-from-expired',
    breaks: 'I9: an invoice that did not expire is paid with units taken anew',
    ...expired,
    suite: scriptSuite,
    find: `set status = 'paid', paid_at = ?, ended_at = null
  where id = ? and status = 'expired'`,
    replace: `set status = 'paid', paid_at = ?, ended_at = null
  where id = ?`,
    also: [
      {
        file: late.file,
        find: `    case 'cancelled':
      return 'invoice_cancelled'`,
        replace: `    case 'cancelled':
      return yield* payExpiredInvoice(late, context)`,
      },
      {
        file: expired.file,
        find: `from reservations where id = ? and status = 'expired'`,
        replace: 'from reservations where id = ?',
      },
      {
        file: 'migrations/sqlite/0007_invoice_lines.sql',
        find: `when old.status <> new.status and old.status <> 'paid'`,
        replace: 'when false',
      },
    ],
    kept: 'The switch over the status, the update, the copied hold and the trigger each say `expired`.',
  },
  {
    id: 'attention-from-ended',
    breaks: 'I8: money that is one too many moves a paid invoice to the attention list',
    ...late,
    find: `where id = ? and status in ('expired', 'cancelled')`,
    replace: 'where id = ?',
  },
  {
    id: 'drop-late-only',
    breaks: 'I12: money that paid is forgotten',
    ...scripts,
    find: `update payments set status = 'voided', updated_at = ? where id = ? and status = 'late'`,
    replace: `update payments set status = 'voided', updated_at = ? where id = ?`,
  },
  {
    id: 'close-stranded-once',
    breaks: 'the first word of the person who decided is overwritten',
    file: 'src/db/attention.ts',
    suite: scripts.suite,
    find: `where id = ? and status = 'stranded' and closed_at is null
  returning id`,
    replace: `where id = ? and status = 'stranded'
  returning id`,
  },
  {
    id: 'close-stranded-only',
    breaks: 'a payment that waits for nobody is closed',
    file: 'src/db/attention.ts',
    suite: scripts.suite,
    find: `where id = ? and status = 'stranded' and closed_at is null
  returning id`,
    replace: `where id = ? and closed_at is null
  returning id`,
  },
]
