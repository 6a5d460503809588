-- The public list of flash sales reads what it shows by index: what is not over by its end, what is over from
-- the end backwards, and the few that were paused or cancelled apart from the others.
create index flash_sales_listed on flash_sales (ends_at, id desc, starts_at, state)
  where state <> 'cancelled';
create index flash_sales_paused on flash_sales (ends_at, id desc) where state = 'paused';
create index flash_sales_cancelled on flash_sales (ends_at, id desc) where state = 'cancelled';
