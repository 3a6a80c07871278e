-- An entry, checkpoint or subtree stands in a year that has a head: looked at once for each statement, where a foreign key looks once for each row
-- of every append. Heads are never deleted (log_head_stays), so the other direction needs no look.
create function refuse_without_head() returns trigger language plpgsql set search_path from current as $$
begin
    if exists (select from added a where not exists (select from log_head h where h.year = a.year)) then
        raise exception 'an entry of the evidence log stands in a year that has a head' using errcode = 'insufficient_privilege';
    end if;
    return null;
end $$;
alter table log_entry drop constraint log_entry_year_fkey;
alter table log_checkpoint drop constraint log_checkpoint_year_fkey;
alter table log_subtree drop constraint log_subtree_year_fkey;
create trigger log_entry_has_head after insert on log_entry referencing new table as added
    for each statement execute function refuse_without_head();
create trigger log_checkpoint_has_head after insert on log_checkpoint referencing new table as added
    for each statement execute function refuse_without_head();
create trigger log_subtree_has_head after insert on log_subtree referencing new table as added
    for each statement execute function refuse_without_head();
