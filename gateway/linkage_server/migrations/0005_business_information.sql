-- 業務情報の原本 (LS-2): what business systems hold, sealed, and how far each record's copy at the intermediate server has come.

-- Each sending takes a new revision, so that of two messages about one record the later one wins wherever they meet.
create sequence original_revision;

-- The row is the outbox: `transfer = 'due'` is what the intermediate server has not answered yet.
-- offered: a copy may be there, answered or not. replica_number, replica_revision: the copy as the intermediate server last answered.
-- edition counts what the record has said; revision counts sendings too.
create table original (
    record_id text collate "C" primary key,
    business_system_id text not null,
    addressee_number text not null,
    information text not null,
    data_set text not null,
    layout_version text not null,
    parent_record_id text collate "C",
    public_from date not null,
    public_to date,
    auto_response text not null,
    deleted boolean not null default false,
    edition integer not null default 1,
    changed_at timestamptz not null,
    changed_by text not null,
    sealed bytea not null,
    revision bigint not null default nextval('original_revision'),
    transfer text not null,
    reason text,
    item text,
    offered boolean not null default false,
    replica_number bigint,
    replica_revision bigint,
    constraint original_of_its_system check (starts_with(record_id, business_system_id || '/')),
    constraint original_addressee_number check (addressee_number ~ '^[0-9]{1,15}$'),
    constraint original_parent foreign key (parent_record_id) references original (record_id),
    constraint original_public check (public_to is null or public_to >= public_from),
    constraint original_auto_response check (auto_response in ('allowed', 'barred')),
    constraint original_transfer check (transfer in ('awaiting_first', 'due', 'registered', 'deleted', 'withheld', 'refused')),
    constraint original_offered check (offered or replica_number is null),
    constraint original_reason check ((reason is not null) = (transfer in ('withheld', 'refused')))
) with (fillfactor = 80);
create index original_due on original (revision) where transfer = 'due';
create index original_of_addressee on original (business_system_id, addressee_number);
create index original_children on original (parent_record_id) where parent_record_id is not null;
create index original_copies on original (replica_number) where replica_number is not null;

-- What a record said before; one row an edition.
create table original_past (
    record_id text collate "C" not null references original (record_id),
    edition integer not null,
    addressee_number text not null,
    information text not null,
    data_set text not null,
    layout_version text not null,
    parent_record_id text collate "C",
    public_from date not null,
    public_to date,
    auto_response text not null,
    deleted boolean not null,
    changed_at timestamptz not null,
    changed_by text not null,
    sealed bytea not null,
    primary key (record_id, edition)
);

-- 初回提供区分: whether the first full transfer of a data set in a version has gone through.
create table first_transfer (
    business_system_id text not null,
    information text not null,
    data_set text not null,
    layout_version text not null,
    transferred_at timestamptz,
    primary key (business_system_id, information, data_set, layout_version)
);

-- Full transfers and comparisons with the copies: each goes on after `after`, part by part.
create table business_run (
    run_id text primary key,
    request_key text not null,
    kind text not null,
    business_system_id text not null,
    wanted jsonb not null,
    state text not null default 'running',
    after text collate "C" not null,
    parts integer not null default 0,
    counts jsonb not null default '{}',
    started_at timestamptz not null,
    finished_at timestamptz,
    constraint business_run_once unique (request_key),
    constraint business_run_kind check (kind in ('transfer', 'comparison')),
    constraint business_run_state check (state in ('running', 'done')),
    constraint business_run_end check ((state = 'done') = (finished_at is not null))
);
create index business_run_running on business_run (started_at) where state = 'running';

create table business_run_part (
    run_id text not null references business_run (run_id),
    part integer not null,
    packed bytea not null,
    primary key (run_id, part)
);

-- How far changes of people and addressees have been followed; its row lock puts what is taken in into an order.
create table business_cursor (
    only_row boolean primary key default true,
    person_revision bigint not null default 0,
    addressee_revision bigint not null default 0,
    constraint business_cursor_one_row check (only_row)
);
insert into business_cursor default values;
