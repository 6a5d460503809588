-- One account per address: an address is unique by a key that has no case and one form of its domain, while it is
-- stored as it was typed (src/db/email-key.ts). All addresses until now are ASCII, and their key is the address in small
-- letters. Where an address is there in several spellings, the oldest account has the key; the others stay as they are
-- and have none, so that nobody loses an account and nobody makes one more.
alter table users add column email_key text check (length(email_key) between 3 and 400);

update users set email_key = lower(email) where id in (
  select id from (
    select id, row_number() over (partition by lower(email) order by created_at, id) as place from users)
  where place = 1);

create unique index users_by_email_key on users (email_key);

-- For rows of a program that does not know the column, while a new version is rolled out.
create trigger users_email_key after insert on users when new.email_key is null
begin
  update users set email_key = lower(new.email)
  where id = new.id and not exists (select 1 from users where email_key = lower(new.email));
end;
