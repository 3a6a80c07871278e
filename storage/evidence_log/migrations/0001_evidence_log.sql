-- The evidence log of one party (DESIGN §6; SC-6, SC-7, IS-5): one tree per fiscal year, RFC 6962 hashing.
create table log_head (
    year integer primary key,
    origin text not null,
    size bigint not null default 0,
    peaks bytea not null default '',
    note text not null default '',
    constraint log_head_size check (size >= 0)
);

create table log_entry (
    year integer not null references log_head (year),
    idx bigint not null,
    entry_id text not null,
    at timestamptz not null,
    kind text not null,
    inquiry_number text,
    body bytea not null,
    leaf bytea not null,
    personal bytea,
    primary key (year, idx),
    constraint log_entry_once unique (entry_id),
    constraint log_entry_leaf check (octet_length(leaf) = 32)
);
create index log_entry_inquiry on log_entry (inquiry_number) where inquiry_number is not null;

-- roots of complete 256-, 65,536- and 16,777,216-leaf subtrees; everything else of a proof comes from leaf hashes
create table log_subtree (
    year integer not null references log_head (year),
    level smallint not null,
    idx bigint not null,
    hash bytea not null,
    primary key (year, level, idx),
    constraint log_subtree_level check (level in (8, 16, 24))
);

create table log_checkpoint (
    year integer not null references log_head (year),
    size bigint not null,
    root bytea not null,
    note text not null,
    primary key (year, size)
);

-- the latest checkpoint of every other log that we have seen: a dropped tail or a fork over there shows here
create table peer_checkpoint (
    origin text primary key,
    size bigint not null,
    note text not null,
    seen_at timestamptz not null
);

create function refuse_change() returns trigger language plpgsql as $$
begin
    raise exception 'the evidence log is append-only' using errcode = 'insufficient_privilege';
end $$;
create trigger log_entry_append_only before update or delete or truncate on log_entry execute function refuse_change();
create trigger log_subtree_append_only before update or delete or truncate on log_subtree execute function refuse_change();
create trigger log_checkpoint_append_only before update or delete or truncate on log_checkpoint execute function refuse_change();
