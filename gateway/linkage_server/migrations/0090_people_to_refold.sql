-- People of whom a rule of the fold says something else than when their last change came: a move-in of a day before they were registered brings the
-- reading of a name that is held without one. Each is folded once more, and goes.
create table person_to_refold (integrated_number bigint primary key);
insert into person_to_refold
select distinct e.integrated_number from person_event e join person p using (integrated_number)
where e.kind in ('move_in', 'birth') and e.applied_at is not null and e.undone_by is null and e.effective_on < p.registered_on and p.merged_into is null;
