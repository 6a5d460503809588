import type { Mutant } from './mutant.ts'

const expiry = { file: 'src/db/expiry.ts', suite: 'src/db/expiry.test.ts' }
const calledOff = { file: 'src/db/called-off-sales.ts', suite: 'src/db/called-off-sales.test.ts' }
const carts = { file: 'src/db/carts.ts', suite: 'src/db/carts.test.ts' }
const checkout = { file: 'src/db/checkout.ts', suite: 'src/db/checkout.test.ts' }
const invoices = { file: 'src/db/invoices.ts', suite: 'src/db/invoices.test.ts' }
const holds = { file: 'src/db/holds.ts', suite: 'src/db/payments/settle-authorized.test.ts' }

/** The reason why one statement of the sweep checks the state twice. */
const twice =
  'The inner select bounds the batch; the outer one is what guards where rows are locked one by one.'

const transitions = {
  file: 'migrations/sqlite/0007_invoice_lines.sql',
  find: `when old.status <> new.status and old.status <> 'paid'`,
  replace: 'when false',
}
const endsOnce = {
  file: 'migrations/sqlite/0001_initial.sql',
  find: `when old.status <> 'held'`,
  replace: 'when false',
}

const expireInvoices = {
  find: `where status = 'unpaid' and id in (
    select id from invoices where status = 'unpaid' and due_at <= ? order by due_at limit ?)`,
  replace: `where status in ('unpaid', 'paying') and id in (
    select id from invoices where status in ('unpaid', 'paying') and due_at <= ?
    order by due_at limit ?)`,
}

/** Mutants of giving stock back: once, in time, and never while it is being paid. */
export const endingMutants: readonly Mutant[] = [
  {
    id: 'sweep-skips-paying',
    breaks: 'I8, F15: the sweep expires an invoice that is being paid',
    ...expiry,
    ...expireInvoices,
    kept: twice,
  },
  {
    id: 'sweep-skips-paying-and-trigger',
    breaks: 'I8, F15: the same without the trigger behind it',
    ...expiry,
    ...expireInvoices,
    also: [transitions],
  },
  {
    id: 'sweep-waits-for-due-date',
    breaks: 'I6: invoices expire before they are due',
    ...expiry,
    find: `where status = 'unpaid' and due_at <= ?`,
    replace: `where status = 'unpaid' and ? > 0`,
  },
  {
    id: 'sweep-ends-held-only',
    breaks: 'I10, F14: a hold that has ended expires again',
    ...expiry,
    find: `update reservations set status = 'expired', ended_at = ?
  where status = 'held' and invoice_id is null and id in (
    select id from reservations
    where status = 'held' and invoice_id is null and expires_at <= ?`,
    replace: `update reservations set status = 'expired', ended_at = ?
  where invoice_id is null and id in (
    select id from reservations
    where invoice_id is null and expires_at <= ?`,
    kept: twice,
  },
  {
    id: 'sweep-ends-held-only-and-trigger',
    breaks: 'I10, F14: the same without the trigger behind it',
    ...expiry,
    find: `update reservations set status = 'expired', ended_at = ?
  where status = 'held' and invoice_id is null and id in (
    select id from reservations
    where status = 'held' and invoice_id is null and expires_at <= ?`,
    replace: `update reservations set status = 'expired', ended_at = ?
  where invoice_id is null and id in (
    select id from reservations
    where invoice_id is null and expires_at <= ?`,
    also: [endsOnce],
  },
  {
    id: 'sweep-leaves-invoiced-holds',
    breaks: 'I9, I11: the hold of an invoice expires with the deadline it had in the cart',
    ...expiry,
    find: `where status = 'held' and invoice_id is null and id in (
    select id from reservations
    where status = 'held' and invoice_id is null and expires_at <= ?`,
    replace: `where status = 'held' and id in (
    select id from reservations
    where status = 'held' and expires_at <= ?`,
    kept: twice,
  },
  {
    id: 'sweep-waits-for-deadline',
    breaks: 'I6: holds expire before their deadline',
    ...expiry,
    find: `where status = 'held' and invoice_id is null and expires_at <= ?`,
    replace: `where status = 'held' and invoice_id is null and ? > 0`,
  },
  {
    id: 'cancelled-sale-ends-held-only',
    breaks: 'I10: a hold that has ended is released again when its sale is cancelled',
    ...calledOff,
    find: `where status = 'held' and invoice_id is null and id in (
    select r.id from reservations r
    where r.status = 'held' and r.invoice_id is null`,
    replace: `where invoice_id is null and id in (
    select r.id from reservations r
    where r.invoice_id is null`,
    kept: twice,
  },
  {
    id: 'cancelled-sale-leaves-invoiced-holds',
    breaks: 'I8, I9: what is being paid goes back to stock when the sale is cancelled',
    ...calledOff,
    find: `where status = 'held' and invoice_id is null and id in (
    select r.id from reservations r
    where r.status = 'held' and r.invoice_id is null`,
    replace: `where status = 'held' and id in (
    select r.id from reservations r
    where r.status = 'held'`,
    kept: twice,
  },
  {
    id: 'cancelled-sale-leaves-paying',
    breaks: 'I8: what is being paid is cancelled with its sale',
    ...calledOff,
    find: `update invoices set status = 'cancelled', ended_at = ?
  where status = 'unpaid' and id in (
    select distinct r.invoice_id from reservations r
    join invoices i on i.id = r.invoice_id
    where r.status = 'held' and i.status = 'unpaid'`,
    replace: `update invoices set status = 'cancelled', ended_at = ?
  where status in ('unpaid', 'paying') and id in (
    select distinct r.invoice_id from reservations r
    join invoices i on i.id = r.invoice_id
    where r.status = 'held' and i.status in ('unpaid', 'paying')`,
    also: [transitions],
    kept: twice,
  },
  {
    id: 'called-off-lines-leave-paying',
    breaks: 'I12, I16: an invoice loses lines while it is being paid',
    ...calledOff,
    find: `and r.status = 'held' and f.state <> 'cancelled')
  where status = 'unpaid' and id in (
    select distinct r.invoice_id from reservations r
    join invoices i on i.id = r.invoice_id
    where r.status = 'held' and i.status = 'unpaid'`,
    replace: `and r.status = 'held' and f.state <> 'cancelled')
  where status in ('unpaid', 'paying') and id in (
    select distinct r.invoice_id from reservations r
    join invoices i on i.id = r.invoice_id
    where r.status = 'held' and i.status in ('unpaid', 'paying')`,
    also: [
      {
        file: 'migrations/sqlite/0007_invoice_lines.sql',
        find: `when old.total_minor <> new.total_minor and old.status <> 'paid'`,
        replace: `when false and old.status <> 'paid'`,
      },
    ],
    kept: `${twice} The trigger says it for every statement.`,
  },
  {
    id: 'called-off-ends-own-lines-only',
    breaks: 'I24: calling off one sale takes the units of another out of an invoice',
    ...calledOff,
    find: `where status = 'held' and invoice_id in (\${placeholders(count)}) and flash_sale_id in (\${cancelledSaleIds})`,
    replace: `where status = 'held' and invoice_id in (\${placeholders(count)})`,
  },
  {
    id: 'called-off-cancels-when-nothing-is-left',
    breaks: 'I24: calling off one sale cancels an invoice with lines of another',
    ...calledOff,
    find: `      and not exists (
        select 1 from reservations other`,
    replace: `      and not exists (
        select 1 from users join reservations other on false`,
  },
  {
    id: 'invoice-gives-back-what-is-held',
    breaks: 'I3, I10: an invoice that ends gives back a hold that had ended before',
    ...expiry,
    find: `where status = 'held' and invoice_id in (`,
    replace: 'where invoice_id in (',
  },
  {
    id: 'stock-back',
    breaks: 'I1, I3: more goes back than is held',
    ...expiry,
    file: holds.file,
    find: `set available = available + ?, held = held - ?
  where product_id = ? and held >= ?`,
    replace: `set available = available + ?, held = held - ?
  where product_id = ? and ? > 0`,
  },
  {
    id: 'stock-sold',
    breaks: 'I1, I3: more is sold than is held',
    ...holds,
    find: `set held = held - ?, sold = sold + ?
  where product_id = ? and held >= ?`,
    replace: `set held = held - ?, sold = sold + ?
  where product_id = ? and ? > 0`,
  },
  {
    id: 'put-back-held-only',
    breaks: 'I10: an item that was put back is put back again',
    ...carts,
    find: `where id = ? and user_id = ? and status = 'held' and invoice_id is null
  returning`,
    replace: `where id = ? and user_id = ? and invoice_id is null
  returning`,
  },
  {
    id: 'put-back-leaves-invoiced',
    breaks: 'I9, I11: what is on an invoice is put back',
    ...carts,
    find: `where id = ? and user_id = ? and status = 'held' and invoice_id is null
  returning`,
    replace: `where id = ? and user_id = ? and status = 'held'
  returning`,
  },
  {
    id: 'clear-cart-held-only',
    breaks: 'I9, I10: clearing the cart ends what has ended, or is on an invoice',
    ...carts,
    find: `where status = 'held' and invoice_id is null and id in (
    select l.reservation_id from carts c join cart_details l on l.cart_id = c.id
    where c.user_id = ? and c.status = 'active')`,
    replace: `where id in (
    select l.reservation_id from carts c join cart_details l on l.cart_id = c.id
    where c.user_id = ?)`,
    kept: 'What has ended leaves its cart, and a cart that was checked out is no longer active.',
  },
  {
    id: 'checkout-live-holds-only',
    breaks: 'I6: a hold whose time is over gets a second life at checkout',
    ...checkout,
    find: `and r.status = 'held' and r.invoice_id is null and r.expires_at > ?
  order by r.id`,
    replace: `and r.status = 'held' and r.invoice_id is null and ? > 0
  order by r.id`,
    also: [
      {
        file: checkout.file,
        find: `where id = ? and status = 'held' and invoice_id is null and expires_at > ?`,
        replace: `where id = ? and status = 'held' and invoice_id is null and ? > 0`,
      },
    ],
    kept: 'The lines are read, then each is claimed: where transactions overlap only the claim guards.',
  },
  {
    id: 'checkout-once',
    breaks: 'I11, I16: holds are invoiced twice, and extended again and again',
    ...checkout,
    find: `where c.user_id = ? and c.status = 'active'
    and r.status = 'held' and r.invoice_id is null and r.expires_at > ?
  order by r.id`,
    replace: `where c.user_id = ?
    and r.status = 'held' and r.expires_at > ?
  order by r.id`,
    also: [
      {
        file: checkout.file,
        find: `where id = ? and status = 'held' and invoice_id is null and expires_at > ?`,
        replace: `where id = ? and status = 'held' and expires_at > ?`,
      },
      {
        file: checkout.file,
        find: `set status = 'checked_out' where id = ? and status = 'active' returning id`,
        replace: `set status = 'checked_out' where id = ? returning id`,
      },
    ],
    kept: 'The cart, the hold and the claim each say that it was not invoiced yet.',
  },
  {
    id: 'checkout-same-key',
    breaks: 'I17: a repeated checkout makes a second invoice',
    ...checkout,
    find: 'if (known !== undefined) return yield* repeat(',
    replace: 'if (known === null) return yield* repeat(',
  },
  {
    id: 'checkout-longest-hold',
    breaks: 'I24: the invoice is due before the longest hold time among its lines',
    ...checkout,
    find: 'Math.max(...lines.map((line) => line.holdSeconds))',
    replace: 'Math.min(...lines.map((line) => line.holdSeconds))',
  },
  {
    id: 'checkout-promised-deadline',
    breaks: 'I24: the invoice is due before a deadline that was promised in the cart',
    ...checkout,
    find: 'Math.max(now + holdSeconds * 1000, ...lines.map(({ expiresAt }) => expiresAt))',
    replace: 'now + holdSeconds * 1000',
  },
  {
    id: 'checkout-of-the-confirmed-cart',
    breaks: 'a checkout silently drops what expired a moment ago',
    ...checkout,
    find: 'if (!isConfirmed(lines, confirmation)) {',
    replace: 'if (lines.length > 1_000) {',
  },
  {
    id: 'checkout-key-of-another-confirmation',
    breaks: 'I17: a key with another confirmation is answered with the first invoice',
    ...checkout,
    find: `if (known.confirmed !== confirmed) return { kind: 'key_reused' }`,
    replace: '',
  },
  {
    id: 'checkout-answered-with-first-reservations',
    breaks: 'I17: after late money a repeated checkout names other reservations',
    file: 'src/db/invoices.ts',
    suite: 'src/payments/late-money.test.ts',
    find: 'select checkout_reservation_id as "reservationId"',
    replace: 'select reservation_id as "reservationId"',
  },
  {
    id: 'cancel-unpaid-only',
    breaks: 'I8: an invoice that is being paid is cancelled',
    ...invoices,
    find: `where id = ? and user_id = ? and status = 'unpaid'`,
    replace: `where id = ? and user_id = ? and status <> 'paid'`,
  },
  {
    id: 'cancel-unpaid-only-and-trigger',
    breaks: 'I8: the same without the trigger behind it',
    ...invoices,
    find: `where id = ? and user_id = ? and status = 'unpaid'`,
    replace: `where id = ? and user_id = ? and status <> 'paid'`,
    also: [transitions],
  },
  {
    id: 'cancel-leaves-paid',
    breaks: 'I8: an invoice that is paid is cancelled',
    ...invoices,
    find: `where id = ? and user_id = ? and status = 'unpaid'`,
    replace: `where id = ? and user_id = ? and status in ('unpaid', 'paid')`,
  },
  {
    id: 'watchdog',
    breaks: 'F13: after a backward step of the clock nothing is swept for as long',
    file: 'src/cron/scheduler.ts',
    suite: 'src/cron/scheduler.test.ts',
    find: 'if (clock.monotonic() - lastStart >= job.overdueMs) runUnlessRunning()',
    replace: 'void job.overdueMs',
  },
]
