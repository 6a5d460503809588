-- A price may be so high that the total of a hundred such lines, a full cart, is still an exact number. A product in
-- a sale knows since when its purchase limit holds. SQLite cannot change a CHECK, so both tables are made anew. The
-- two indexes are for this migration only: they find the rows that refer to a product.
pragma defer_foreign_keys = on;

create index reservations_for_this_migration on reservations (flash_sale_id, product_id);
create index movements_for_this_migration on stock_movements (product_id);

create table products_before as select * from products;
drop table products;

create table products (
  id integer primary key,
  shop_id integer not null references shops (id),
  name text not null check (length(name) between 1 and 200),
  price_minor integer not null check (price_minor between 0 and 90000000000000),
  currency text not null check (currency glob '[A-Z][A-Z][A-Z]'),
  created_at integer not null
) strict;

insert into products (id, shop_id, name, price_minor, currency, created_at)
select id, shop_id, name, price_minor, currency, created_at from products_before;
drop table products_before;

create table flash_sale_details_before as select * from flash_sale_details;
drop table flash_sale_details;

create table flash_sale_details (
  flash_sale_id integer not null references flash_sales (id),
  product_id integer not null references products (id),
  price_minor integer not null check (price_minor between 0 and 90000000000000),
  purchase_limit integer check (purchase_limit >= 1),
  -- Epoch ms of its last change; null when it is the one that the product was added with.
  limit_changed_at integer,
  created_at integer not null,
  primary key (flash_sale_id, product_id)
) strict;

insert into flash_sale_details (flash_sale_id, product_id, price_minor, purchase_limit, created_at)
select flash_sale_id, product_id, price_minor, purchase_limit, created_at
from flash_sale_details_before;
drop table flash_sale_details_before;

create index flash_sale_details_by_product on flash_sale_details (product_id);

create trigger flash_sale_details_added after insert on flash_sale_details
begin
  update flash_sales set products_revision = products_revision + 1 where id = new.flash_sale_id;
end;

create trigger flash_sale_details_changed after update on flash_sale_details
begin
  update flash_sales set products_revision = products_revision + 1 where id = new.flash_sale_id;
end;

create trigger flash_sale_details_removed after delete on flash_sale_details
begin
  update flash_sales set products_revision = products_revision + 1 where id = old.flash_sale_id;
end;

drop index reservations_for_this_migration;
drop index movements_for_this_migration;
