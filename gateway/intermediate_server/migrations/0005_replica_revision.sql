-- A copy is replaced by a later sending of its record and never by an earlier one (IS-6); record ids sort by their bytes, as the linkage server sorts them.
alter table replica
    alter column record_id type text collate "C",
    add column revision bigint not null default 0;

-- What was deleted stays known by its revision, so that a message that was late does not bring the copy back.
create table replica_withdrawn (
    record_id text collate "C" primary key,
    revision bigint not null
);
