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

-- the head of a tree moves forward only, and what peers showed us is never forgotten for less
create function refuse_going_back() returns trigger language plpgsql as $$
begin
    if new.size <= old.size or new.origin <> old.origin then
        raise exception 'the evidence log goes forward only' using errcode = 'insufficient_privilege';
    end if;
    return new;
end $$;
create trigger log_head_forward_only before update on log_head for each row execute function refuse_going_back();
create trigger log_head_same_year before update of year on log_head execute function refuse_change();
create trigger log_head_stays before delete or truncate on log_head execute function refuse_change();
create trigger peer_checkpoint_forward_only before update on peer_checkpoint for each row execute function refuse_going_back();
create trigger peer_checkpoint_stays before delete or truncate on peer_checkpoint execute function refuse_change();

-- One call appends a batch: false when another process appended meanwhile (the caller's size is no longer the head's), and nothing is changed.
-- A function, so that its statements stay planned for the schema it lives in, whichever agency the connection served before.
create function append_log(
    of_year integer, old_size bigint, new_size bigint, new_peaks bytea, new_note text, new_root bytea,
    entry_ids text[], instants timestamptz[], kinds text[], inquiry_numbers text[], bodies bytea[], leaves bytea[], personals bytea[],
    levels smallint[], indexes bigint[], hashes bytea[],
    origins text[], sizes bigint[], notes text[], seen timestamptz
) returns boolean language plpgsql as $$
begin
    update log_head set size = new_size, peaks = new_peaks, note = new_note where year = of_year and size = old_size;
    if not found then
        return false;
    end if;
    insert into log_entry (year, idx, entry_id, at, kind, inquiry_number, body, leaf, personal)
    select of_year, old_size + r.place - 1, r.entry_id, r.at, r.kind, r.inquiry_number, r.body, r.leaf, r.personal
    from unnest(entry_ids, instants, kinds, inquiry_numbers, bodies, leaves, personals)
        with ordinality as r (entry_id, at, kind, inquiry_number, body, leaf, personal, place);
    insert into log_checkpoint (year, size, root, note) values (of_year, new_size, new_root, new_note);
    if cardinality(levels) > 0 then
        insert into log_subtree (year, level, idx, hash)
        select of_year, r.level, r.idx, r.hash from unnest(levels, indexes, hashes) as r (level, idx, hash);
    end if;
    if cardinality(origins) > 0 then
        insert into peer_checkpoint (origin, size, note, seen_at)
        select r.origin, r.size, r.note, seen from unnest(origins, sizes, notes) as r (origin, size, note)
        on conflict (origin) do update set size = excluded.size, note = excluded.note, seen_at = excluded.seen_at
        where peer_checkpoint.size < excluded.size;
    end if;
    return true;
end $$;
