-- Notices of running state (IS-10) that the operator posts; what the server sees of itself is told from how it stands, and kept nowhere.
create table notice (
    notice_id text primary key,
    kind text not null,
    body text not null,
    posted_by text not null,
    posted_at timestamptz not null,
    shown_from timestamptz not null,
    shown_until timestamptz not null,
    withdrawn_by text,
    withdrawn_at timestamptz,
    constraint notice_kind check (kind in ('planned_stop', 'trouble', 'list_change', 'other')),
    constraint notice_time check (shown_from < shown_until),
    constraint notice_withdrawn check ((withdrawn_by is null) = (withdrawn_at is null))
);
