-- Which versions of which keys this party has begun to use or destroyed: each is in its log once, however often the command is run again (IS-8).
create table key_change (
    change text not null constraint key_change_known check (change in ('key.rotated', 'key.destroyed')),
    purpose text not null,
    version integer not null,
    at timestamptz not null,
    primary key (change, purpose, version)
);
