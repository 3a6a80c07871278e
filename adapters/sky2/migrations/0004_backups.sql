-- Orders of the agency's intermediate server that were carried out here (SC-15; docs/adr/0099): each is good once. backup_made_at: when the backup that it
-- ordered was complete.
create table carried_order (
    order_id text primary key,
    carried_at timestamptz not null,
    backup_made_at timestamptz
);

-- When this database was last restored. What is asked afterwards goes under keys that were never used: the linkage server may know those of claims
-- that were asked about since the backup.
create table restored (
    only_row boolean primary key default true,
    restored_at timestamptz not null,
    constraint restored_one_row check (only_row)
);
-- The Idempotency-Key under which the claim was asked about; null where it is the claim's id.
alter table refund_claim add column inquiry_key text;
