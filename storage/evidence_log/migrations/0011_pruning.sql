-- Seven years after the last record of a fiscal year the bodies go and the hashes stay (番号法施行令30条; SC-6, SC-16).
-- What is left of an entry: its place, id, kind, time, inquiry number and leaf hash; the tree, its checkpoints and every proof stay what they were.
alter table log_entry alter column body drop not null;
alter table log_entry add constraint log_entry_personal_with_body check (body is not null or personal is null);

-- Of which year the bodies before which index are gone. A tenant cannot write here: prune_log does.
create table log_pruned (
    year integer primary key references log_head (year),
    upto bigint not null,
    constraint log_pruned_upto check (upto > 0)
);

-- A year is pruned only when the log itself has come to the eighth year after it: whoever lies about the time has to sign a log of that
-- year, which every peer then holds.
create function refuse_early_pruning() returns trigger language plpgsql set search_path from current as $$
begin
    if not exists (select from log_head where year >= new.year + 8 and size > 0) then
        raise exception 'the records of this year are to be kept for seven years' using errcode = 'insufficient_privilege';
    end if;
    if new.upto > (select size from log_head where year = new.year) or (tg_op = 'UPDATE' and (new.year <> old.year or new.upto <= old.upto)) then
        raise exception 'the evidence log is pruned from its beginning on' using errcode = 'insufficient_privilege';
    end if;
    return new;
end $$;
create trigger log_pruned_in_time before insert or update on log_pruned for each row execute function refuse_early_pruning();
create trigger log_pruned_stays before delete or truncate on log_pruned execute function refuse_change();

-- The one change of an entry that there is: body and personal part go, where log_pruned says so; everything else of it stays.
create function refuse_all_but_pruning() returns trigger language plpgsql set search_path from current as $$
begin
    if new.body is null and new.personal is null
        and (new.year, new.idx, new.entry_id, new.at, new.kind, new.leaf) = (old.year, old.idx, old.entry_id, old.at, old.kind, old.leaf)
        and new.inquiry_number is not distinct from old.inquiry_number
        and exists (select from log_pruned p where p.year = old.year and old.idx < p.upto)
    then
        return new;
    end if;
    raise exception 'the evidence log is append-only' using errcode = 'insufficient_privilege';
end $$;
drop trigger log_entry_append_only on log_entry;
create trigger log_entry_append_only before delete or truncate on log_entry execute function refuse_change();
create trigger log_entry_pruned_only before update on log_entry for each row execute function refuse_all_but_pruning();

-- The next `most` entries of a year lose their bodies; how many had one, how many a personal part, and how many are left with one.
-- As its owner, because a tenant may not update the log; it decides nothing that the triggers do not check.
create function prune_log(of_year integer, most integer, out pruned bigint, out sealed bigint, out remaining bigint)
language plpgsql security definer set search_path from current as $$
declare
    first bigint;
    last bigint;
    whole bigint;
begin
    select size into whole from log_head where year = of_year;
    select upto into first from log_pruned where year = of_year for update;
    first := coalesce(first, 0);
    last := least(first + most, whole);
    select count(*), count(personal) into pruned, sealed from log_entry where year = of_year and idx >= first and idx < last;
    remaining := coalesce(whole - last, 0);
    if pruned > 0 then
        insert into log_pruned (year, upto) values (of_year, last) on conflict (year) do update set upto = excluded.upto;
        delete from log_record r where r.year = of_year and r.idx >= first and r.idx < last
            and r.at between (select min(e.at) from log_entry e where e.year = of_year and e.idx >= first and e.idx < last)
            and (select max(e.at) from log_entry e where e.year = of_year and e.idx >= first and e.idx < last);
        update log_entry set body = null, personal = null where year = of_year and idx >= first and idx < last;
    end if;
end $$;
