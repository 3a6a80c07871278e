-- What an exchange record is found by (IS-5, TKM): one row beside its entry, written by append_log in the same statement as the entry.
-- `partner`: the other agency; `subject`: a keyed index of the person under the key of the fiscal year, worth nothing once that key is gone.
create table log_record (
    year integer not null,
    idx bigint not null,
    at timestamptz not null,
    kind text not null,
    partner text not null,
    item text not null,
    information text not null,
    actor text,
    subject bytea
);
-- each in the order of time, so that a page is read from its beginning and nothing is sorted
create index log_record_at on log_record (at);
create index log_record_partner on log_record (partner, at);
create index log_record_item on log_record (item, at);
create index log_record_kind on log_record (kind, at);
create index log_record_actor on log_record (actor, at) where actor is not null;
create index log_record_subject on log_record (subject) where subject is not null;

drop function append_log;
create function append_log(
    of_year integer, old_size bigint, new_size bigint, new_peaks bytea, new_note text, new_root bytea,
    entry_ids text[], instants timestamptz[], kinds text[], inquiry_numbers text[], bodies bytea[], leaves bytea[], personals bytea[],
    levels smallint[], indexes bigint[], hashes bytea[],
    origins text[], sizes bigint[], notes text[], seen timestamptz,
    partners text[], items text[], informations text[], actors text[], subjects bytea[]
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
    if cardinality(partners) > 0 then
        insert into log_record (year, idx, at, kind, partner, item, information, actor, subject)
        select of_year, old_size + r.place - 1, r.at, r.kind, r.partner, r.item, r.information, r.actor, r.subject
        from unnest(instants, kinds, partners, items, informations, actors, subjects)
            with ordinality as r (at, kind, partner, item, information, actor, subject, place)
        where r.partner is not null;
    end if;
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
