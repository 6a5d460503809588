-- The add-to-cart queue of a sale, decided once, and what keeps polling cheap however many sales
-- are planned or past.

-- Null until the sale's channels are first made.
alter table flash_sales add column routing text
  check (routing in ('channel-per-product', 'topic-per-product'));

-- Random part of the sale's topic names. A restored copy may give the number of a forgotten sale to
-- another one: without the key, messages queued for the first would reach the second.
alter table flash_sales add column topic_key text
  check ((topic_key is null) = (routing is null) and length(topic_key) = 5);

-- Counts additions and removals of products: whoever has read revision 7 need not read it again.
alter table flash_sales add column products_revision integer not null default 0;

-- When the sale had long been over or was called off, with no hold left: nothing polls it from then on.
alter table flash_sales add column archived_at integer;

update flash_sales set products_revision = (
  select count(*) from flash_sale_details where flash_sale_id = flash_sales.id);

create index flash_sales_current_by_start on flash_sales (starts_at) where archived_at is null;
create index flash_sales_current_by_end on flash_sales (ends_at) where archived_at is null;
-- Nearly always empty above the present: a clock that was ahead has archived what it finds there.
create index flash_sales_archived_by_end on flash_sales (ends_at) where archived_at is not null;
create index flash_sales_current_cancelled on flash_sales (id)
  where state = 'cancelled' and archived_at is null;

create trigger flash_sales_routing_stays before update of routing, topic_key on flash_sales
when old.routing is not null
  and (new.routing is not old.routing or new.topic_key is not old.topic_key)
begin
  select raise(abort, 'the routing of a sale stays');
end;

create trigger flash_sale_details_added after insert on flash_sale_details
begin
  update flash_sales set products_revision = products_revision + 1 where id = new.flash_sale_id;
end;

create trigger flash_sale_details_removed after delete on flash_sale_details
begin
  update flash_sales set products_revision = products_revision + 1 where id = old.flash_sale_id;
end;
