-- A death comes last on its day: who was held in another state because of a change of that same day is dead. Whoever follows people is told.
update person p set state = 'dead', revision = nextval('person_revision')
where p.state <> 'dead' and exists (
    select from person_event d
    where d.integrated_number = p.integrated_number and d.kind = 'death' and d.effective_on = p.state_since
        and d.applied_at is not null and d.undone_by is null
        and not exists (select from person_event c where c.cancels = d.event_key and c.integrated_number = d.integrated_number and c.undone_by is null));

-- registers: the addressee number of the event is there because of it. Of those of before it is known where it made the person too.
alter table person_event add column registers boolean not null default false;
update person_event e set registers = true from person p
where p.integrated_number = e.integrated_number and e.kind in ('move_in', 'birth') and e.effective_on = p.registered_on
    and not exists (select from person_event b where b.integrated_number = e.integrated_number and b.event_no < e.event_no);
