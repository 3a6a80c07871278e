-- A row that was held is known again when it comes again: it waits where it waits, or what staff decided about it binds (LS-1.3, SC-18, docs/adr/0103).
-- digest: keyed; null for changes, for rows held before the update, and once nothing depends on it.
alter table review_hold
    add column digest bytea,
    add constraint review_hold_digest check (digest is null or subject = 'addressee');
create index review_hold_of_row on review_hold (digest);
