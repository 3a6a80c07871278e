-- Copies that were withdrawn or whose last public day is over (IS-6, SC-16): one erasure a day, certified when the day is over.
-- sealed stays 0; rows_deleted: keys of people who have no copy any more.
alter table erasure drop constraint erasure_kind;
alter table erasure add constraint erasure_kind check (kind in ('results', 'records', 'replicas'));
create index replica_over on replica (public_to) where public_to is not null;
