-- Which agency registers this server has had in force, and which it did not take (IS-8): a register older than the last one is refused, also after a restart.
create table register_taken (
    sequence bigint primary key constraint register_taken_sequence check (sequence >= 0),
    digest text not null constraint register_taken_digest check (digest ~ '^[0-9a-f]{64}$'),
    taken_at timestamptz not null
);

create table register_refused (
    digest text not null,
    reason text not null,
    refused_at timestamptz not null,
    primary key (digest, reason)
);
