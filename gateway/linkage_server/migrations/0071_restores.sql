-- Backups of the linkage server (SC-15; docs/adr/0076). As at the intermediate server: a log that lost its tail is opened anew under another origin.
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

-- Orders of the agency's intermediate server that were carried out here: each is good once.
create table carried_order (
    order_id text primary key,
    carried_at timestamptz not null
);

-- A restore: nothing leaves until somebody else has lifted it. codes_settled_at: when the codes of people whom the restored database does not know
-- were ended.
create table restore (
    backup_id text not null,
    restored_at timestamptz not null,
    restored_by text not null,
    lifted_at timestamptz,
    lifted_by text,
    codes_settled_at timestamptz,
    primary key (backup_id, restored_at),
    constraint restore_lifted check ((lifted_at is null) = (lifted_by is null)),
    constraint restore_lifted_by_another check (lifted_by <> restored_by)
);
create unique index restore_one_not_lifted on restore ((true)) where lifted_at is null;
