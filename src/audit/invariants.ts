import { setImmediate as nextTick } from 'node:timers/promises'
import { all, one, type Database, type Script } from '../db/database.ts'

/** One invariant of docs/guarantees.md, as a query for the rows that break it. */
interface Invariant {
  readonly id: string
  readonly title: string
  /** The SQL returns one row per violation, with the columns an engineer needs to look further. */
  readonly violations: string
}

export interface InvariantResult {
  readonly id: string
  readonly title: string
  readonly violations: number
  readonly examples: readonly Readonly<Record<string, unknown>>[]
}

const examplesMax = 10

const invariants: readonly Invariant[] = [
  {
    id: 'I1',
    title: 'available, held and sold are never negative',
    violations: `
      select product_id, available, held, sold from stock
      where available < 0 or held < 0 or sold < 0`,
  },
  {
    id: 'I2',
    title: 'available + held + sold = allotment',
    violations: `
      select product_id, allotment, available, held, sold from stock
      where available + held + sold <> allotment`,
  },
  {
    id: 'I3',
    title: 'held and sold are the sums of the held and sold reservations',
    violations: `
      with counted as materialized (
        select product_id,
          sum(case when status = 'held' then quantity else 0 end) as held,
          sum(case when status = 'sold' then quantity else 0 end) as sold
        from reservations group by product_id)
      select s.product_id, s.held, s.sold, c.held as counted_held, c.sold as counted_sold
      from stock s left join counted c on c.product_id = s.product_id
      where s.held <> coalesce(c.held, 0) or s.sold <> coalesce(c.sold, 0)
      union all
      select product_id, null, null, held, sold from counted
      where product_id not in (select product_id from stock)`,
  },
  {
    id: 'I4',
    title: 'the counters are the sums of the ledger',
    violations: `
      with ledger as materialized (
        select product_id,
          sum(case kind when 'allotted' then quantity else 0 end) as allotted,
          sum(case kind when 'held' then quantity else 0 end) as held,
          sum(case kind when 'sold' then quantity else 0 end) as sold,
          sum(case when kind in ('released', 'expired') then quantity else 0 end) as returned
        from stock_movements group by product_id)
      select s.product_id, s.allotment, s.available, s.held, s.sold
      from stock s left join ledger l on l.product_id = s.product_id
      where s.allotment <> coalesce(l.allotted, 0)
        or s.held <> coalesce(l.held - l.sold - l.returned, 0)
        or s.sold <> coalesce(l.sold, 0)
        or s.available <> coalesce(l.allotted - l.held + l.returned, 0)
      union all
      select product_id, null, null, null, null from ledger
      where product_id not in (select product_id from stock)`,
  },
  {
    id: 'I5',
    title: 'no request has both a hold and a recorded refusal',
    violations: `
      select q.request_id, q.refusal, r.status
      from add_to_cart_requests q join reservations r on r.id = q.request_id
      where q.refusal is not null`,
  },
  {
    id: 'I9',
    title: 'every line of a paid invoice has a sold reservation, invoices that ended have none',
    violations: `
      select i.id as invoice_id, i.status as invoice_status, r.id as reservation_id, r.status
      from invoices i join reservations r on r.invoice_id = i.id
      left join invoice_details l on l.reservation_id = r.id
      where (i.status = 'paid' and r.status <> 'sold' and l.cancelled_at is null
          and (r.status <> 'expired' or l.reservation_id is not null))
        or (i.status <> 'paid' and r.status = 'sold')
        or (i.status in ('unpaid', 'paying') and r.status <> 'held' and l.cancelled_at is null)
        or (l.cancelled_at is not null and r.status <> 'released')
        or (i.status in ('cancelled', 'expired', 'needs_attention') and r.status = 'held')`,
  },
  {
    id: 'I10',
    title: 'every hold has one beginning and, once over, one end in the ledger',
    violations: `
      select r.id as reservation_id, r.status, m.kind
      from reservations r left join stock_movements m
        on m.reservation_id = r.id and m.kind in ('released', 'expired', 'sold')
      where (r.status = 'held' and m.id is not null)
        or (r.status <> 'held' and (m.id is null or m.kind <> r.status or m.quantity <> r.quantity))
      union all
      select r.id, r.status, 'held'
      from reservations r left join stock_movements m on m.reservation_id = r.id and m.kind = 'held'
      where m.id is null or m.quantity <> r.quantity or m.product_id <> r.product_id
      union all
      select reservation_id, 'twice', min(kind)
      from stock_movements where reservation_id is not null
      group by reservation_id, kind = 'held' having count(*) > 1`,
  },
  {
    id: 'I11',
    title: 'cart and invoice lines match their reservations',
    violations: `
      select l.reservation_id, 'cart' as line
      from cart_details l left join reservations r on r.id = l.reservation_id
      where r.id is null or l.product_id <> r.product_id or l.quantity <> r.quantity or l.cart_id <> r.cart_id
      union all
      select l.reservation_id, 'invoice'
      from invoice_details l left join reservations r on r.id = l.reservation_id
      where r.id is null or l.product_id <> r.product_id or l.quantity <> r.quantity
        or l.unit_price_minor <> r.unit_price_minor
        or r.invoice_id is null or l.invoice_id <> r.invoice_id
      union all
      select r.id, 'missing'
      from reservations r left join invoice_details l on l.reservation_id = r.id
      where r.invoice_id is not null and l.reservation_id is null
        and not (r.status = 'expired' and exists (
          select 1 from invoices i where i.id = r.invoice_id and i.status = 'paid'))
      union all
      select r.id, 'missing'
      from reservations r left join cart_details l on l.reservation_id = r.id
      where r.status = 'held' and l.reservation_id is null`,
  },
  {
    id: 'I12',
    title:
      'a paid invoice has one payment of its total, one being paid an open attempt, no other either',
    violations: `
      select i.id as invoice_id, i.status, i.total_minor, p.id as payment_id, p.amount_minor
      from invoices i left join payments p
        on p.invoice_id = i.id and p.status in ('authorized', 'captured')
      where i.status = 'paid'
        and (p.id is null or p.amount_minor <> i.total_minor or p.currency <> i.currency)
      union all
      select i.id, i.status, i.total_minor, p.id, p.amount_minor
      from payments p join invoices i on i.id = p.invoice_id
      where (p.status in ('authorized', 'captured') and i.status <> 'paid')
        or (p.status = 'authorizing' and i.status <> 'paying')
        or (p.status = 'stranded' and p.amount_minor = i.total_minor
          and i.status not in ('needs_attention', 'paid'))
      union all
      select i.id, i.status, i.total_minor, min(p.id), sum(p.amount_minor)
      from payments p join invoices i on i.id = p.invoice_id
      where p.status in ('authorized', 'captured')
      group by i.id, i.status, i.total_minor having count(*) > 1
      union all
      select i.id, i.status, i.total_minor, null, null
      from invoices i
      where i.status = 'paying' and not exists (
        select 1 from payments p where p.invoice_id = i.id and p.status = 'authorizing')
      union all
      select i.id, i.status, i.total_minor, null, null
      from invoices i
      where i.status = 'needs_attention' and not exists (
        select 1 from payments p where p.invoice_id = i.id and p.status = 'stranded')`,
  },
  {
    id: 'I13',
    title: 'no payment that pays was ever given up',
    violations: `
      select p.id as payment_id, p.status, i.id as invoice_id
      from payments p join invoices i on i.id = p.invoice_id
      where i.status = 'paid' and p.status in ('declined', 'voided')
        and not exists (
          select 1 from payments q
          where q.invoice_id = i.id and q.status in ('authorized', 'captured'))`,
  },
  {
    id: 'I14',
    title:
      'nobody holds or bought more of a product than the sale they last took it in allowed then',
    violations: `
      with taken as (
        select user_id, product_id, sum(quantity) as taken, max(created_at) as last_at
        from reservations where status in ('held', 'sold')
        group by user_id, product_id having count(*) > 1 or max(quantity) > 1)
      select distinct t.user_id, t.product_id, t.taken, d.flash_sale_id, d.purchase_limit
      from taken t
      join reservations r on r.user_id = t.user_id and r.product_id = t.product_id
        and r.created_at = t.last_at and r.status in ('held', 'sold')
      join flash_sale_details d
        on d.flash_sale_id = r.flash_sale_id and d.product_id = r.product_id
      where d.purchase_limit < t.taken
        and (d.limit_changed_at is null or t.last_at > d.limit_changed_at)`,
  },
  {
    id: 'I15',
    title: 'one active cart per user',
    violations: `
      select user_id, count(*) as carts from carts
      where status = 'active' group by user_id having count(*) > 1`,
  },
  {
    id: 'I16',
    title: 'an invoice is the sum of its lines, without those of called-off sales',
    violations: `
      select i.id as invoice_id, i.total_minor, coalesce(sum(l.line_total_minor), 0) as lines
      from invoices i
      left join invoice_details l on l.invoice_id = i.id and l.cancelled_at is null
      group by i.id, i.total_minor
      having i.total_minor <> coalesce(sum(l.line_total_minor), 0)`,
  },
  {
    id: 'I21',
    title: 'a hold, its cart, its invoice and its payments are one person’s, and none is gone',
    violations: `
      select r.id, 'hold' as what, r.user_id, c.user_id as cart_user, i.user_id as invoice_user
      from reservations r
      left join carts c on c.id = r.cart_id
      left join invoices i on i.id = r.invoice_id
      where c.id is null or c.user_id <> r.user_id
        or (r.invoice_id is not null
          and (i.id is null or i.user_id <> r.user_id or i.cart_id <> r.cart_id))
      union all
      select p.id, 'payment', p.user_id, null, i.user_id
      from payments p left join invoices i on i.id = p.invoice_id
      where i.id is null or i.user_id <> p.user_id`,
  },
  {
    id: 'I24',
    title: 'no hold ended before its deadline but by its owner, its payment or its sale',
    violations: `
      select i.id as invoice_id, r.id as reservation_id, r.expires_at, i.checkout_due_at, i.due_at
      from invoice_details l
      join invoices i on i.id = l.invoice_id
      join reservations r on r.id = l.checkout_reservation_id
      where (i.checkout_due_at < r.expires_at or i.due_at < i.checkout_due_at)
        -- Before that migration an invoice was due by the shortest hold time among its lines.
        and i.created_at >= (
          select applied_at from schema_migrations where name = '0007_invoice_lines')
      union all
      select i.id, r.id, r.expires_at, i.checkout_due_at, i.due_at
      from reservations r left join invoices i on i.id = r.invoice_id
      where r.status = 'expired' and r.ended_at < coalesce(i.due_at, r.expires_at)
      union all
      select l.invoice_id, l.reservation_id, null, null, null
      from invoice_details l
      join reservations r on r.id = l.reservation_id
      join flash_sales f on f.id = r.flash_sale_id
      where l.cancelled_at is not null and f.state <> 'cancelled'`,
  },
]

/** The titles of all audited invariants by id. */
export const invariantTitles: Readonly<Record<string, string>> = Object.fromEntries(
  invariants.map(({ id, title }) => [id, title]),
)

/**
 * Checks every invariant that the database alone can show. Each is true after every commit, so each
 * reads its own snapshot. The event loop turns between two checks, and the audit ends when
 * `mayContinue` is false.
 */
export async function auditInvariants(
  database: Pick<Database, 'read'>,
  mayContinue: () => boolean = () => true,
): Promise<readonly InvariantResult[]> {
  const results: InvariantResult[] = []
  for (const invariant of invariants) {
    if (!mayContinue()) break
    results.push(await database.read(() => auditInvariant(invariant)))
    await nextTick()
  }
  return results
}

function* auditInvariant({ id, title, violations }: Invariant): Script<InvariantResult> {
  const { count } = yield* one<{ count: number }>(`select count(*) as count from (${violations})`)
  const examples =
    count === 0
      ? []
      : yield* all<Record<string, unknown>>(`select * from (${violations}) limit ${examplesMax}`)
  return { id, title, violations: count, examples }
}

const countHolds = `
  select coalesce(sum(held), 0) as held, coalesce(sum(available), 0) as available,
    coalesce(sum(sold), 0) as sold
  from stock`

/** Sums the units of all products by state, for the metrics. */
export function* countUnits(): Script<{ held: number; available: number; sold: number }> {
  return yield* one(countHolds)
}
