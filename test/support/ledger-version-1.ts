/** The tables of the first simulated ledgers, as they lie on disks. */
export const ledgerVersion1 = `
  create table payments (
    payment_id   text not null primary key check (length(payment_id) between 1 and 200),
    invoice_id   text check (length(invoice_id) between 1 and 200),
    amount_minor integer check (amount_minor between 0 and 9007199254740991),
    currency     text check (currency glob '[A-Z][A-Z][A-Z]'),
    method       text check (length(method) <= 1000),
    status       text not null check (status in ('authorized', 'captured', 'declined', 'voided')),
    decline_code text,
    created_at   integer not null,
    updated_at   integer not null,
    check ((status = 'declined') = (decline_code is not null)),
    check ((invoice_id is null) = (amount_minor is null)),
    check ((invoice_id is null) = (currency is null)),
    check ((invoice_id is null) = (method is null)),
    check (invoice_id is not null or status = 'voided')
  ) strict, without rowid;

  create index payments_captured on payments (payment_id, invoice_id, currency, amount_minor)
    where status = 'captured';

  create trigger payments_start before insert on payments
    when new.status = 'captured'
    begin select raise(abort, 'only an authorised payment is captured'); end;
  create trigger payments_final before update on payments
    when old.status <> 'authorized'
    begin select raise(abort, 'this payment is final'); end;
  create trigger payments_order before update on payments
    when new.payment_id is not old.payment_id or new.invoice_id is not old.invoice_id
      or new.amount_minor is not old.amount_minor or new.currency is not old.currency
    begin select raise(abort, 'what was ordered never changes'); end;
  create trigger payments_kept before delete on payments
    begin select raise(abort, 'payments are never deleted'); end;

  create table operations (
    operation_id integer primary key autoincrement,
    payment_id   text not null,
    operation    text not null,
    result       text not null,
    at           integer not null,
    check (
      (operation = 'authorize' and result in ('authorized', 'declined', 'unchanged', 'refused'))
      or (operation = 'capture' and result in ('captured', 'unchanged', 'refused'))
      or (operation = 'void' and result in ('voided', 'unchanged', 'already_captured'))
    )
  ) strict;

  create unique index operations_captured_once on operations (payment_id)
    where result = 'captured';
  create index operations_voids_of_captured on operations (payment_id)
    where result = 'already_captured';

  create trigger operations_not_replaced before insert on operations
    when exists (select 1 from operations where operation_id = new.operation_id)
    begin select raise(abort, 'operations are append-only'); end;
  create trigger operations_unchanged before update on operations
    begin select raise(abort, 'operations are append-only'); end;
  create trigger operations_kept before delete on operations
    begin select raise(abort, 'operations are append-only'); end;
`
