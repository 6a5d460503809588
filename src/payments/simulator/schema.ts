/** The version of the tables of the simulated provider's books. A file of another version is refused. */
export const schemaVersion = 2

/**
 * The method of push payments, whose money the shopper's bank moves by itself, also after a void.
 */
export const pushMethod = 'pm_push'

/** A payment known only from its void has no invoice, amount, currency or method. */
const tables = `
  create table payments (
    payment_id   text not null primary key check (length(payment_id) between 1 and 200),
    invoice_id   text check (length(invoice_id) between 1 and 200),
    amount_minor integer check (amount_minor between 0 and 9007199254740991),
    currency     text check (currency glob '[A-Z][A-Z][A-Z]'),
    method       text check (length(method) <= 1000),
    status       text not null check (
      status in ('pending', 'authorized', 'captured', 'declined', 'voided')),
    decline_code text,
    created_at   integer not null,
    updated_at   integer not null,
    check ((status = 'declined') = (decline_code is not null)),
    check ((invoice_id is null) = (amount_minor is null)),
    check ((invoice_id is null) = (currency is null)),
    check ((invoice_id is null) = (method is null)),
    check (invoice_id is not null or status = 'voided'),
    check (status <> 'pending' or method = '${pushMethod}')
  ) strict, without rowid;

  create index payments_captured
    on payments (payment_id, invoice_id, currency, amount_minor, updated_at)
    where status = 'captured';

  create table operations (
    operation_id integer primary key autoincrement,
    payment_id   text not null,
    operation    text not null,
    result       text not null,
    at           integer not null,
    check (
      (operation = 'authorize'
        and result in ('authorized', 'declined', 'pending', 'unchanged', 'refused'))
      or (operation = 'capture' and result in ('captured', 'pending', 'unchanged', 'refused'))
      or (operation = 'void' and result in ('voided', 'unchanged', 'already_captured', 'too_late'))
      or (operation = 'arrive' and result in ('captured', 'unchanged', 'refused'))
    )
  ) strict;

  create unique index operations_captured_once on operations (payment_id)
    where result = 'captured';
  create index operations_pending on operations (payment_id, at) where result = 'pending';
  create index operations_voids_of_captured on operations (payment_id)
    where result = 'already_captured';
`

/** The final statuses are final in the schema too, and the log can only grow. */
const triggers = `
  create trigger payments_start before insert on payments
    when new.status = 'captured'
    begin select raise(abort, 'only an authorised payment is captured'); end;
  create trigger payments_final before update on payments
    when old.status in ('captured', 'declined') or (old.status = 'voided'
      and not (new.status = 'captured' and old.method is '${pushMethod}'))
    begin select raise(abort, 'this payment is final'); end;
  create trigger payments_order before update on payments
    when new.payment_id is not old.payment_id or new.invoice_id is not old.invoice_id
      or new.amount_minor is not old.amount_minor or new.currency is not old.currency
    begin select raise(abort, 'what was ordered never changes'); end;
  create trigger payments_kept before delete on payments
    begin select raise(abort, 'payments are never deleted'); end;

  create trigger operations_not_replaced before insert on operations
    when exists (select 1 from operations where operation_id = new.operation_id)
    begin select raise(abort, 'operations are append-only'); end;
  create trigger operations_unchanged before update on operations
    begin select raise(abort, 'operations are append-only'); end;
  create trigger operations_kept before delete on operations
    begin select raise(abort, 'operations are append-only'); end;
`

/** The table has the last operation that a webhook has delivered. */
const delivered = `
  create table delivered (
    one integer primary key check (one = 1),
    up_to integer not null
  ) strict;

  insert into delivered (one, up_to) values (1, 0);
`

/** Makes the tables in an empty file. */
export const schema = `${tables} ${triggers} ${delivered}`
