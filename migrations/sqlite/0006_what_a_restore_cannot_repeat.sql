-- A restored copy gives the numbers of users out again. Each user therefore has a random `uid`, which tokens
-- and messages carry. Payments that a copy has forgotten have a list, and the installation has a name.
-- SQLite adds no column with a default that is computed, so the table is made anew; rows that refer to it
-- are checked at the end.
pragma defer_foreign_keys = on;

-- The foreign-key check of each user looks for carts; the index of active carts does not serve it, and without
-- one 100,000 users with a cart each take minutes.
create index carts_for_this_migration on carts (user_id);

create table users_before as select * from users;
drop table users;

create table users (
  id integer primary key,
  name text not null check (length(name) between 1 and 200),
  email text not null unique check (length(email) between 3 and 254),
  created_at integer not null,
  -- 128 random bits: no other user has it, in this database or in any copy of it.
  uid text not null unique default (lower(hex(randomblob(16)))) check (length(uid) = 32)
) strict;

insert into users (id, name, email, created_at)
select id, name, email, created_at from users_before;
drop table users_before;
drop index carts_for_this_migration;

create trigger users_uid_never_changed before update of uid on users
when new.uid <> old.uid
begin
  select raise(abort, 'the uid of a user never changes');
end;

-- Which database this is. A restore keeps `id` and renews `history_id`: rows made since the copy are not here.
create table installation (
  one integer primary key check (one = 1),
  id text not null check (length(id) = 32),
  history_id text not null check (length(history_id) = 32),
  created_at integer not null,
  restored_at integer
) strict;

insert into installation (one, id, history_id, created_at)
values (1, lower(hex(randomblob(16))), lower(hex(randomblob(16))),
  cast((julianday('now') - 2440587.5) * 86400000 as integer));

-- Payments that the provider has captured and this database does not know, because it was restored from a
-- copy that is older. A person decides about each.
create table forgotten_captures (
  payment_id text primary key check (length(payment_id) between 1 and 200),
  -- Of the lost rows; no invoice here has this id.
  invoice_id text not null check (length(invoice_id) between 1 and 200),
  amount_minor integer not null check (amount_minor >= 0),
  currency text not null check (length(currency) = 3),
  captured_at integer not null,
  found_at integer not null,
  closed_at integer,
  closed_note text,
  check ((closed_at is null) = (closed_note is null))
) strict;

create index forgotten_captures_open on forgotten_captures (payment_id) where closed_at is null;

create trigger forgotten_captures_never_deleted before delete on forgotten_captures
begin
  select raise(abort, 'forgotten captures are kept');
end;
