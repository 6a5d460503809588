-- Workers that run, so that API nodes can say when there is none. Rows go a day after the last beat.
create table worker_heartbeats (
  node_id text primary key check (length(node_id) between 1 and 64),
  -- API nodes watch this number change; they do not compare clocks.
  beats integer not null check (beats >= 1),
  seen_at integer not null
) strict;
