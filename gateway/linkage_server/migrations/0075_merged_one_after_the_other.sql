-- merged_into is the number that a decision merged this one into, whatever became of that one since: undoing a later merge then brings back
-- everybody who came along (LS-1.3). It was the last of the chain before.
comment on column person.merged_into is 'the number that this one was merged into; who lives on is lives_on() of it';

-- Who lives on from a number that may have been merged itself. Null of null, at no cost.
create function lives_on(number bigint) returns bigint strict stable language sql set search_path from current as $$
    with recursive one (integrated_number, merged_into) as (
        select p.integrated_number, p.merged_into from person p where p.integrated_number = number
        union
        select p.integrated_number, p.merged_into from person p join one on p.integrated_number = one.merged_into
    )
    select integrated_number from one where merged_into is null
$$;

-- Whoever is merged takes part in no merge any more, so the last one in which they took part gave them up to the other of its two people.
update person p set merged_into = d.other, revision = nextval('person_revision')
from (
    select distinct on (m.integrated_number) m.integrated_number, other
    from person m join review_decision r on m.integrated_number = any (r.persons) and r.kind in ('link', 'merge') and r.state in ('applied', 'done')
        cross join lateral unnest(r.persons) as other
    where m.merged_into is not null and other <> m.integrated_number
    order by m.integrated_number, r.proposed_at desc, r.decision_id desc
) d
where p.integrated_number = d.integrated_number and p.merged_into <> d.other;
