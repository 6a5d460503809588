-- An invoice remembers its checkout, so that a repeated one is answered as the first, and it may lose the
-- lines of a sale that was called off. SQLite cannot change a CHECK, so both tables are made anew; what refers to
-- them is checked at the end.
pragma defer_foreign_keys = on;

create table invoices_before as select * from invoices;
drop table invoices;

create table invoices (
  id text primary key,
  user_id integer not null references users (id),
  cart_id text not null unique references carts (id),
  idempotency_key text not null,
  -- SHA-256 of what the shopper confirmed at checkout, hex; null when nothing was confirmed.
  confirmed text check (length(confirmed) = 64),
  status text not null check (
    status in ('unpaid', 'paying', 'paid', 'cancelled', 'expired', 'needs_attention')),
  -- The largest whole number that is exact in a double, and therefore in JSON.
  total_minor integer not null check (total_minor between 0 and 9007199254740991),
  currency text not null check (length(currency) = 3),
  hold_seconds integer not null,
  -- The due date that checkout answered with. No later change may undercut it.
  checkout_due_at integer not null,
  due_at integer not null,
  -- When a declined card moved due_at; it does so once.
  extended_at integer,
  created_at integer not null,
  paid_at integer,
  ended_at integer,
  unique (user_id, idempotency_key),
  check (due_at >= checkout_due_at),
  check ((status = 'paid') = (paid_at is not null)),
  check ((status in ('cancelled', 'expired', 'needs_attention')) = (ended_at is not null))
) strict;

insert into invoices (id, user_id, cart_id, idempotency_key, status, total_minor, currency,
  hold_seconds, checkout_due_at, due_at, extended_at, created_at, paid_at, ended_at)
select id, user_id, cart_id, idempotency_key, status, total_minor, currency,
  hold_seconds, min(due_at, created_at + hold_seconds * 1000), due_at, extended_at, created_at,
  paid_at, ended_at
from invoices_before;
drop table invoices_before;

create index invoices_by_user on invoices (user_id, id);
create index invoices_unpaid_by_due on invoices (due_at) where status = 'unpaid';
create index invoices_paying on invoices (id) where status = 'paying';

create table invoice_details_before as select * from invoice_details;
drop table invoice_details;

create table invoice_details (
  reservation_id text primary key references reservations (id),
  -- The reservation of the line at checkout. Late money that pays an expired invoice gives it another.
  checkout_reservation_id text not null unique references reservations (id),
  invoice_id text not null references invoices (id),
  product_id integer not null references products (id),
  name text not null,
  quantity integer not null check (quantity >= 1),
  unit_price_minor integer not null check (unit_price_minor >= 0),
  line_total_minor integer not null,
  -- When its sale was called off. From then on the line is not part of the total.
  cancelled_at integer,
  check (line_total_minor = quantity * unit_price_minor),
  check (cancelled_at is null or checkout_reservation_id = reservation_id)
) strict;

-- An expired hold of a paid invoice was a line until late money took its units again.
insert into invoice_details (reservation_id, checkout_reservation_id, invoice_id, product_id, name,
  quantity, unit_price_minor, line_total_minor)
select l.reservation_id, coalesce(e.id, l.reservation_id), l.invoice_id, l.product_id, l.name,
  l.quantity, l.unit_price_minor, l.line_total_minor
from (
  select *, row_number() over (
    partition by invoice_id, product_id, quantity, unit_price_minor order by reservation_id) as nth
  from invoice_details_before) as l
left join (
  select r.id, r.invoice_id, r.product_id, r.quantity, r.unit_price_minor, row_number() over (
    partition by r.invoice_id, r.product_id, r.quantity, r.unit_price_minor order by r.id) as nth
  from reservations r join invoices i on i.id = r.invoice_id
  where r.status = 'expired' and i.status = 'paid') as e
  on e.invoice_id = l.invoice_id and e.product_id = l.product_id and e.quantity = l.quantity
    and e.unit_price_minor = l.unit_price_minor and e.nth = l.nth;
drop table invoice_details_before;

create index invoice_details_by_invoice on invoice_details (invoice_id);
create index invoice_details_by_product on invoice_details (product_id, invoice_id);

-- The final answer that a shopper was given for the key of this attempt, when it was not "paid". It is given
-- again, also after money came late.
alter table payments add column told_answer text check (
  told_answer in ('declined', 'given_up', 'paid_otherwise', 'needs_attention'));

create trigger payments_told_once before update of told_answer on payments
when old.told_answer is not null and new.told_answer is not old.told_answer
begin
  select raise(abort, 'a final answer stays the answer');
end;

create trigger invoices_paid_for_ever before update on invoices
when old.status = 'paid' and (new.status <> 'paid' or new.total_minor <> old.total_minor)
begin
  select raise(abort, 'a paid invoice stays paid');
end;

create trigger invoices_paid_never_deleted before delete on invoices
when old.status = 'paid'
begin
  select raise(abort, 'a paid invoice stays paid');
end;

-- A payment that is under way, or was made, is over the total.
create trigger invoices_total_changes_while_unpaid before update of total_minor on invoices
when old.total_minor <> new.total_minor and old.status <> 'paid'
  and (old.status <> 'unpaid' or new.status <> 'unpaid')
begin
  select raise(abort, 'only an unpaid invoice changes its total');
end;

create trigger invoices_checkout_stays before update of checkout_due_at, confirmed on invoices
when old.checkout_due_at <> new.checkout_due_at or old.confirmed is not new.confirmed
begin
  select raise(abort, 'the checkout of an invoice never changes');
end;

create trigger invoice_details_cancelled_once before update of cancelled_at on invoice_details
when old.cancelled_at is not null and new.cancelled_at is not old.cancelled_at
begin
  select raise(abort, 'a line that was called off stays called off');
end;

-- An ended invoice comes back only for money that came late: `expired → paid`.
create trigger invoices_known_transitions before update of status on invoices
when old.status <> new.status and old.status <> 'paid'
  and old.status || ' ' || new.status not in (
    'unpaid paying', 'unpaid paid', 'unpaid cancelled', 'unpaid expired',
    'paying unpaid', 'paying paid',
    'expired paid', 'expired needs_attention', 'cancelled needs_attention')
begin
  select raise(abort, 'an invoice does not go this way');
end;
