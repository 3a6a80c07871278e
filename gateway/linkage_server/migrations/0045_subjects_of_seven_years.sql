-- After seven years the bodies of entries go, and with them which entries are about the same person (番号法施行令30条; SC-6, SC-16).
create index access_subject_entry on access_subject (entry_id);

create function refuse_unless_pruned() returns trigger language plpgsql set search_path from current as $$
begin
    if exists (select from log_entry e where e.entry_id = old.entry_id and e.body is null) then
        return old;
    end if;
    raise exception 'who looked at whom is kept for seven years' using errcode = 'insufficient_privilege';
end $$;
drop trigger access_subject_append_only on access_subject;
create trigger access_subject_append_only before update or truncate on access_subject for each statement execute function refuse_change();
create trigger access_subject_pruned_only before delete on access_subject for each row execute function refuse_unless_pruned();
