-- A log that lost its tail (a restored backup) is opened anew under another origin (SC-15; docs/adr/0044). Written by the administrator who restores,
-- recorded by the server as the first entry of the new origin, with the highest checkpoint that the core holds of the old one.
create table log_opened_anew (
    times integer primary key,
    opened_at timestamptz not null,
    opened_by text not null,
    backup_id text not null,
    year integer not null,
    size bigint not null,
    recorded boolean not null default false,
    constraint log_opened_anew_times check (times >= 1)
);
