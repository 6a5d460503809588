-- Time: integer epoch milliseconds. Money: integer minor units with an ISO 4217 currency.
-- Every rule the code keeps is said here a second time.

create table users (
  id integer primary key,
  name text not null check (length(name) between 1 and 200),
  email text not null unique check (length(email) between 3 and 254),
  created_at integer not null
) strict;

create table shops (
  id integer primary key,
  owner_id integer not null unique references users (id),
  name text not null,
  created_at integer not null
) strict;

create table products (
  id integer primary key,
  shop_id integer not null references shops (id),
  name text not null check (length(name) between 1 and 200),
  price_minor integer not null check (price_minor between 0 and 10000000000),
  currency text not null check (length(currency) = 3),
  created_at integer not null
) strict;

create table stock (
  product_id integer primary key references products (id),
  allotment integer not null check (allotment >= 0),
  available integer not null check (available >= 0),
  held integer not null check (held >= 0),
  sold integer not null check (sold >= 0),
  check (available + held + sold = allotment)
) strict;

create table flash_sales (
  id integer primary key,
  name text not null check (length(name) between 1 and 200),
  state text not null default 'open' check (state in ('open', 'paused', 'cancelled')),
  starts_at integer not null,
  ends_at integer not null,
  hold_seconds integer not null check (hold_seconds between 1 and 86400),
  created_at integer not null,
  check (starts_at < ends_at)
) strict;

create index flash_sales_by_end on flash_sales (ends_at);

create table flash_sale_details (
  flash_sale_id integer not null references flash_sales (id),
  product_id integer not null references products (id),
  price_minor integer not null check (price_minor between 0 and 10000000000),
  purchase_limit integer check (purchase_limit >= 1),
  created_at integer not null,
  primary key (flash_sale_id, product_id)
) strict;

create index flash_sale_details_by_product on flash_sale_details (product_id);

create table carts (
  id text primary key,
  user_id integer not null references users (id),
  status text not null check (status in ('active', 'checked_out')),
  created_at integer not null
) strict;

create unique index carts_one_active_per_user on carts (user_id) where status = 'active';

create table invoices (
  id text primary key,
  user_id integer not null references users (id),
  cart_id text not null unique references carts (id),
  idempotency_key text not null,
  status text not null check (status in ('unpaid', 'paying', 'paid', 'cancelled', 'expired')),
  total_minor integer not null check (total_minor >= 0),
  currency text not null check (length(currency) = 3),
  hold_seconds integer not null,
  due_at integer not null,
  created_at integer not null,
  paid_at integer,
  ended_at integer,
  unique (user_id, idempotency_key),
  check ((status = 'paid') = (paid_at is not null)),
  check ((status in ('cancelled', 'expired')) = (ended_at is not null))
) strict;

create index invoices_by_user on invoices (user_id, id);
create index invoices_unpaid_by_due on invoices (due_at) where status = 'unpaid';
create index invoices_paying on invoices (id) where status = 'paying';

create table reservations (
  -- The id of the add-to-cart request that made it.
  id text primary key,
  user_id integer not null references users (id),
  idempotency_key text not null,
  flash_sale_id integer not null,
  product_id integer not null,
  cart_id text not null references carts (id),
  invoice_id text references invoices (id),
  quantity integer not null check (quantity between 1 and 1000),
  unit_price_minor integer not null check (unit_price_minor >= 0),
  currency text not null check (length(currency) = 3),
  status text not null check (status in ('held', 'sold', 'released', 'expired')),
  created_at integer not null,
  -- The deadline of the hold in the cart. After checkout the invoice's due_at rules.
  expires_at integer not null,
  ended_at integer,
  unique (user_id, idempotency_key),
  foreign key (flash_sale_id, product_id) references flash_sale_details (flash_sale_id, product_id),
  check ((status = 'held') = (ended_at is null)),
  check (status <> 'sold' or invoice_id is not null)
) strict;

create index reservations_in_carts_by_expiry on reservations (expires_at)
  where status = 'held' and invoice_id is null;
create index reservations_held_by_sale on reservations (flash_sale_id) where status = 'held';
create index reservations_counted_by_user on reservations (user_id, product_id, quantity)
  where status in ('held', 'sold');
create index reservations_by_invoice on reservations (invoice_id) where invoice_id is not null;

create table cart_details (
  reservation_id text primary key references reservations (id),
  cart_id text not null references carts (id),
  product_id integer not null references products (id),
  quantity integer not null check (quantity >= 1),
  created_at integer not null
) strict;

create index cart_details_by_cart on cart_details (cart_id);

create table invoice_details (
  reservation_id text primary key references reservations (id),
  invoice_id text not null references invoices (id),
  product_id integer not null references products (id),
  name text not null,
  quantity integer not null check (quantity >= 1),
  unit_price_minor integer not null check (unit_price_minor >= 0),
  line_total_minor integer not null,
  check (line_total_minor = quantity * unit_price_minor)
) strict;

create index invoice_details_by_invoice on invoice_details (invoice_id);
create index invoice_details_by_product on invoice_details (product_id, invoice_id);

create table payments (
  id text primary key,
  invoice_id text not null references invoices (id),
  user_id integer not null references users (id),
  idempotency_key text not null,
  method text not null,
  amount_minor integer not null check (amount_minor >= 0),
  currency text not null check (length(currency) = 3),
  status text not null
    check (status in ('authorizing', 'authorized', 'captured', 'declined', 'voided')),
  decline_code text,
  -- Set before the provider is asked to void: from then on this attempt never pays.
  given_up_at integer,
  created_at integer not null,
  updated_at integer not null,
  unique (user_id, idempotency_key)
) strict;

create unique index payments_one_live_per_invoice on payments (invoice_id)
  where status in ('authorizing', 'authorized', 'captured');
create index payments_by_invoice on payments (invoice_id, created_at);
create index payments_unsettled on payments (updated_at)
  where status in ('authorizing', 'authorized');

-- The ledger: what happened to every unit, append-only.
create table stock_movements (
  id integer primary key,
  product_id integer not null references products (id),
  reservation_id text references reservations (id),
  kind text not null check (kind in ('allotted', 'held', 'released', 'expired', 'sold')),
  quantity integer not null,
  reason text,
  created_at integer not null,
  check ((kind = 'allotted') = (reservation_id is null)),
  check (kind = 'allotted' or quantity > 0)
) strict;

create unique index stock_movements_one_hold on stock_movements (reservation_id)
  where kind = 'held';
create unique index stock_movements_one_ending on stock_movements (reservation_id)
  where kind in ('released', 'expired', 'sold');

-- Add-to-cart requests answered with 202, and redelivered ones refused for good.
create table add_to_cart_requests (
  request_id text primary key,
  user_id integer not null,
  idempotency_key text not null,
  refusal text,
  created_at integer not null
) strict;

create index add_to_cart_requests_by_age on add_to_cart_requests (created_at);

create trigger stock_movements_never_updated before update on stock_movements
begin
  select raise(abort, 'stock_movements is append-only');
end;

create trigger stock_movements_never_deleted before delete on stock_movements
begin
  select raise(abort, 'stock_movements is append-only');
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

create trigger reservations_end_once before update of status on reservations
when old.status <> 'held'
begin
  select raise(abort, 'a reservation ends once');
end;

create trigger payments_captured_for_ever before update of status on payments
when old.status in ('captured', 'declined', 'voided') and new.status <> old.status
begin
  select raise(abort, 'a settled payment stays settled');
end;

-- The house shop: owner of products created without a shop.
insert into users (id, name, email, created_at) values (1, 'Holdfast', 'shop@holdfast.invalid', 0);
insert into shops (id, owner_id, name, created_at) values (1, 1, 'Holdfast', 0);
