-- How far rows have been brought under a new version of their key (IS-8), as at the servers: one row a purpose and version; it goes on after `after` in `place`.
create table resealing (
    purpose text not null,
    version integer not null,
    started_at timestamptz not null,
    finished_at timestamptz,
    place text not null default '',
    after text collate "C" not null default '',
    done bigint not null default 0,
    unreadable bigint not null default 0,
    total bigint not null,
    reason text,
    primary key (purpose, version),
    constraint resealing_end check (reason is null or finished_at is not null)
);
create index resealing_started on resealing (started_at);
