-- Money that comes after its attempt had ended: invoices that need a person, payments that are late or
-- stranded, one extension per hold, and the webhooks that were heard.
-- SQLite cannot change a CHECK, so both tables are made anew; what refers to them is checked at the end.
pragma defer_foreign_keys = on;

create table invoices_before as select * from invoices;
drop table invoices;

create table invoices (
  id text primary key,
  user_id integer not null references users (id),
  cart_id text not null unique references carts (id),
  idempotency_key text not null,
  status text not null check (
    status in ('unpaid', 'paying', 'paid', 'cancelled', 'expired', 'needs_attention')),
  total_minor integer not null check (total_minor >= 0),
  currency text not null check (length(currency) = 3),
  hold_seconds integer not null,
  due_at integer not null,
  -- When a declined card moved due_at; it does so once.
  extended_at integer,
  created_at integer not null,
  paid_at integer,
  ended_at integer,
  unique (user_id, idempotency_key),
  check ((status = 'paid') = (paid_at is not null)),
  check ((status in ('cancelled', 'expired', 'needs_attention')) = (ended_at is not null))
) strict;

insert into invoices (id, user_id, cart_id, idempotency_key, status, total_minor, currency,
  hold_seconds, due_at, created_at, paid_at, ended_at)
select id, user_id, cart_id, idempotency_key, status, total_minor, currency,
  hold_seconds, due_at, created_at, paid_at, ended_at
from invoices_before;
drop table invoices_before;

create index invoices_by_user on invoices (user_id, id);
create index invoices_unpaid_by_due on invoices (due_at) where status = 'unpaid';
create index invoices_paying on invoices (id) where status = 'paying';

create table payments_before as select * from payments;
drop table payments;

create table payments (
  id text primary key,
  invoice_id text not null references invoices (id),
  user_id integer not null references users (id),
  idempotency_key text not null,
  method text not null,
  amount_minor integer not null check (amount_minor >= 0),
  currency text not null check (length(currency) = 3),
  status text not null check (
    status in ('authorizing', 'authorized', 'captured', 'declined', 'voided', 'late', 'stranded')),
  decline_code text,
  -- Set before the provider is asked to void: from then on this attempt never pays.
  given_up_at integer,
  -- Money that can pay nothing: since when, and why. A person decides.
  stranded_at integer,
  stranded_reason text,
  -- When a person has dealt with it, and how.
  closed_at integer,
  closed_note text,
  created_at integer not null,
  updated_at integer not null,
  unique (user_id, idempotency_key),
  check ((status = 'stranded') = (stranded_at is not null)),
  check ((stranded_at is null) = (stranded_reason is null)),
  check ((closed_at is null) = (closed_note is null)),
  check (closed_at is null or status = 'stranded')
) strict;

insert into payments (id, invoice_id, user_id, idempotency_key, method, amount_minor, currency,
  status, decline_code, given_up_at, created_at, updated_at)
select id, invoice_id, user_id, idempotency_key, method, amount_minor, currency,
  status, decline_code, given_up_at, created_at, updated_at
from payments_before;
drop table payments_before;

create unique index payments_one_live_per_invoice on payments (invoice_id)
  where status in ('authorizing', 'authorized', 'captured');
create index payments_by_invoice on payments (invoice_id, created_at);
create index payments_unsettled on payments (updated_at)
  where status in ('authorizing', 'authorized', 'late');
create index payments_stranded on payments (id) where status = 'stranded' and closed_at is null;

-- Only to hear each event once; forgotten after a while.
create table webhook_events (
  id text primary key,
  received_at integer not null
) strict;

create index webhook_events_by_age on webhook_events (received_at);

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

-- What has ended comes back only as money that came late.
create trigger payments_captured_for_ever before update of status on payments
when (old.status in ('captured', 'stranded') and new.status <> old.status)
  or (old.status in ('declined', 'voided') and new.status not in (old.status, 'late'))
begin
  select raise(abort, 'a settled payment stays settled');
end;
