-- A record that was taken out stays out until a move-in or birth: a death of that day, or a death or move-out of a later one, puts none back. Whoever
-- follows people is told, and codes and copies go.
update person p set state = 'cancelled', state_since = c.effective_on, revision = nextval('person_revision')
from (
    select distinct on (e.integrated_number) e.integrated_number, e.effective_on
    from person_event e
    where e.kind = 'cancellation' and e.cancels is null and e.applied_at is not null and e.undone_by is null
        and not exists (
            select from person_event m
            where m.integrated_number = e.integrated_number and m.kind in ('move_in', 'birth') and m.applied_at is not null and m.undone_by is null
                and (m.effective_on, m.event_no) > (e.effective_on, e.event_no)
                and not exists (
                    select from person_event b where b.integrated_number = m.integrated_number and b.cancels = m.event_key
                        and b.applied_at is not null and b.undone_by is null))
    order by e.integrated_number, e.effective_on desc, e.event_no desc) c
where p.integrated_number = c.integrated_number and p.state in ('dead', 'moved_out');
