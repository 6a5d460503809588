-- Who a person of the external issuer is here. Rows are made when a subject is first seen.
create table user_identities (
  issuer text not null check (length(issuer) between 1 and 500),
  subject text not null check (length(subject) between 1 and 255),
  user_id integer not null unique references users (id),
  created_at integer not null,
  primary key (issuer, subject)
) strict;

-- What operators did, written in the transaction that did it; append-only.
create table admin_actions (
  id integer primary key,
  -- Method and path as the OpenAPI document has them.
  route text not null check (length(route) between 1 and 200),
  -- Path parameters and body, JSON.
  details text not null check (length(details) <= 20000),
  -- 'done', or the code of the problem it was refused with.
  outcome text not null check (length(outcome) between 1 and 100),
  request_id text not null check (length(request_id) between 1 and 100),
  -- The address it came from.
  address text not null check (length(address) <= 100),
  created_at integer not null
) strict;

create trigger admin_actions_never_updated before update on admin_actions
begin
  select raise(abort, 'admin_actions is append-only');
end;

create trigger admin_actions_never_deleted before delete on admin_actions
begin
  select raise(abort, 'admin_actions is append-only');
end;
