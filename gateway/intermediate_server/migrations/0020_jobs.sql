-- Jobs of this server (IS-10): what runs longer than a call and has no other rows that tell how far it is.
create table job (
    job_id text primary key,
    kind text not null,
    state text not null default 'running',
    started_by text not null,
    started_at timestamptz not null,
    finished_at timestamptz,
    done bigint not null default 0,
    total bigint,
    counts jsonb not null default '{}',
    reason text,
    constraint job_state check (state in ('running', 'done', 'failed')),
    constraint job_end check ((state = 'running') = (finished_at is null)),
    constraint job_reason check ((state = 'failed') = (reason is not null))
);
create index job_started on job (kind, started_at);
