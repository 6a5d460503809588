-- The answers that operators' requests with an Idempotency-Key were given, each written in the transaction
-- that did the action. A repeated request is answered from here and does nothing.
create table operator_requests (
  operator text not null check (length(operator) between 1 and 100),
  -- Method and path as the OpenAPI document has them.
  route text not null check (length(route) between 1 and 200),
  idempotency_key text not null check (length(idempotency_key) between 1 and 255),
  -- Counts the transactions of a request that takes several; 0 is the first.
  part integer not null check (part >= 0),
  -- Hex SHA-256 of the path parameters and the body.
  fingerprint text not null check (length(fingerprint) = 64),
  -- The answer. All three are null only until the action's transaction has come to its end. A refused
  -- action leaves no row, so that only successes are remembered.
  status integer check (status between 200 and 299),
  location text check (length(location) between 1 and 2000),
  -- JSON without secrets.
  body text check (length(body) <= 1000000),
  created_at integer not null,
  primary key (operator, route, idempotency_key, part),
  check ((status is null) = (body is null)),
  check (location is null or status is not null)
) strict;

create index operator_requests_by_age on operator_requests (created_at);
