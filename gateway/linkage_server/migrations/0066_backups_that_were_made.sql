-- Backups of this database as jobs (IS-10, SC-15): how far each is, and how it ended.
-- total: tables; counts: rows by table, as JSON.
create table backup_run (
    backup_id text primary key,
    started_at timestamptz not null,
    finished_at timestamptz,
    done integer not null default 0,
    total integer,
    counts text not null default '{}',
    reason text,
    constraint backup_run_reason_at_its_end check (reason is null or finished_at is not null)
);
create index backup_run_started on backup_run (started_at);
