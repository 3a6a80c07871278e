-- name: persons
select integrated_number, individual_number_index, individual_number_sealed, four_items_sealed, registered_on, state, state_since, frozen, merged_into
from person where integrated_number = any($1::bigint[])

-- name: bases
select integrated_number, individual_number_index, individual_number_sealed, four_items_sealed
from person_base where integrated_number = any($1::bigint[])

-- name: events
select event_no, event_key, integrated_number, business_system_id, addressee_number, kind, effective_on, recorded_at, applied_at, sealed, cancels, undone_by, replaced_by, registers
from person_event where integrated_number = any($1::bigint[]) order by event_no

-- name: merged
-- Those who live on, each with everybody who was merged into them, also by way of others.
with recursive one (lives_on, integrated_number) as (
    select number, number from unnest($1::bigint[]) as number
    union
    select one.lives_on, p.integrated_number from person p join one on p.merged_into = one.integrated_number
)
select lives_on, integrated_number from one where integrated_number <> lives_on

-- name: addressee_persons
select addressee_number, integrated_number, ended_on from addressee
where business_system_id = $1 and addressee_number = any($2::text[])

-- name: held_by_others
select distinct integrated_number from addressee where integrated_number = any($1::bigint[]) and business_system_id <> $2 and state = 'held'

-- name: merged_from
select addressee_number, merged_from from addressee
where business_system_id = $1 and addressee_number = any($2::text[]) and merged_from is not null

-- name: persons_by_index
select p.individual_number_index, coalesce(lives_on(p.merged_into), p.integrated_number) as integrated_number
from person p where p.individual_number_index = any($1::bytea[])

-- name: rows_by_index
select individual_number_index, integrated_number from person where individual_number_index = any($1::bytea[])

-- name: known_events
-- decided_by: the business system of the decision that undid it; it may have been put anew for another person then.
select e.event_key, e.digest, e.integrated_number, e.applied_at, e.undone_by, d.business_system_id as decided_by,
    coalesce(lives_on(p.merged_into), p.integrated_number) as lives_on
from person_event e join person p using (integrated_number) left join review_decision d on d.decision_id = e.undone_by
where e.event_key = any($1::text[])

-- name: known_holds
select event_key, hold_id, reason, state, sealed, digest from review_hold where event_key = any($1::text[])

-- name: cancel_holds
with named as materialized (select hold_id, state from review_hold where event_key = any($1::text[]))
update review_hold h set state = 'cancelled', decided_at = $2 from named where h.hold_id = named.hold_id and named.state = 'open'

-- name: hold_states
select hold_id, state from review_hold where hold_id = any($1::text[])

-- name: waiting_changes
select * from waiting_change where event_key = any($1::text[])

-- name: withdrawn_registrations
select event_key, digest from withdrawn_registration where event_key = any($1::text[])

-- name: withdraw_registrations
with gone as (delete from waiting_change where event_key = any($1::text[]))
insert into withdrawn_registration (event_key, digest) select * from unnest($1::text[], $2::bytea[]) on conflict (event_key) do nothing

-- name: due_changes
select * from waiting_change where effective_on <= $1 and (set_aside_at is null or set_aside_at < $2)
order by set_aside_at is not null, effective_on, waiting_no limit $3

-- name: set_aside
update waiting_change set set_aside_because = $2, set_aside_at = $3 where event_key = $1

-- name: count_of_those_set_aside
select count(*) from waiting_change where set_aside_at is not null

-- name: changes_to_come
select * from waiting_change
where ($1::text is null or business_system_id = $1) and (not $2 or set_aside_at is not null) and (effective_on, waiting_no) > ($3, $4::bigint)
order by effective_on, waiting_no limit $5

-- name: count_to_come
select count(*) from waiting_change where ($1::text is null or business_system_id = $1) and (not $2 or set_aside_at is not null)

-- name: put_waiting_changes
insert into waiting_change (event_key, business_system_id, effective_on, sealed, digest)
select * from unnest($1::text[], $2::text[], $3::date[], $4::bytea[], $5::bytea[]) on conflict (event_key) do nothing

-- name: drop_waiting_changes
delete from waiting_change where event_key = any($1::text[])

-- name: keep_bases
insert into person_base (integrated_number, individual_number_index, individual_number_sealed, four_items_sealed)
select integrated_number, individual_number_index, individual_number_sealed, four_items_sealed
from person where integrated_number = any($1::bigint[]) on conflict (integrated_number) do nothing

-- name: put_events
insert into person_event (event_key, integrated_number, business_system_id, addressee_number, kind, effective_on, recorded_at, applied_at, sealed, digest, cancels, replaced_by, registers)
select * from unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::date[], $7::timestamptz[], $8::timestamptz[], $9::bytea[], $10::bytea[], $11::text[], $12::text[], $13::boolean[])

-- name: undo_events
update person_event set undone_by = $2 where event_key = any($1::text[]) and undone_by is null

-- name: undo_held_event
update person_event set undone_by = $2 where event_key = $1 and undone_by = $3

-- name: reinstate_events
update person_event e set undone_by = null, applied_at = $3, registers = r.registers
from unnest($1::text[], $2::boolean[]) as r (event_key, registers) where e.event_key = r.event_key

-- name: put_successor
insert into addressee (business_system_id, addressee_number, integrated_number, resident_kind, intake_id, merged_from, known_since, came_at)
select business_system_id, $3, integrated_number, resident_kind, $4, merged_from, known_since, came_at from addressee where business_system_id = $1 and addressee_number = $2
on conflict (business_system_id, addressee_number) do nothing

-- name: write_addressee_ends
update addressee a set state = case when r.ended_on is null then 'held' else 'ended' end, ended_on = r.ended_on, replaced_by = r.replaced_by,
    revision = nextval('addressee_revision')
from unnest($1::bigint[], $2::text[], $3::text[], $4::date[], $5::text[]) as r (integrated_number, business_system_id, addressee_number, ended_on, replaced_by)
where a.business_system_id = r.business_system_id and a.addressee_number = r.addressee_number and a.integrated_number = r.integrated_number
    and (a.ended_on, a.replaced_by) is distinct from (r.ended_on, r.replaced_by)

-- name: undo_addressee_end
update person_event set undone_by = $3
where business_system_id = $1 and addressee_number = $2 and kind = 'addressee_end' and applied_at is not null and undone_by is null

-- name: free_numbers
update person set individual_number_index = null, individual_number_sealed = null where integrated_number = any($1::bigint[])

-- name: take_over_numbers
-- A number that somebody ($1) is about to have ($2, by all its indexes) and that stands on a row merged into them is a former one there.
with merged as (
    select p.integrated_number, p.individual_number_index, p.individual_number_sealed, p.four_items_sealed
    from unnest($1::bigint[], $2::bytea[]) as r (integrated_number, index) join person p on p.individual_number_index = r.index
    where p.merged_into is not null and p.integrated_number <> r.integrated_number
), base as (
    insert into person_base (integrated_number, individual_number_index, individual_number_sealed, four_items_sealed)
    select integrated_number, individual_number_index, individual_number_sealed, four_items_sealed from merged on conflict (integrated_number) do nothing
), former as (
    insert into former_individual_number (integrated_number, individual_number_index, individual_number_sealed, by_law)
    select integrated_number, individual_number_index, individual_number_sealed, false from merged
)
update person p set individual_number_index = null, individual_number_sealed = null, revision = nextval('person_revision')
from merged m where p.integrated_number = m.integrated_number

-- name: update_persons
update person p set individual_number_index = r.index, individual_number_sealed = r.number_sealed, four_items_sealed = r.items_sealed,
    state = r.state, state_since = r.state_since, revision = nextval('person_revision')
from unnest($1::bigint[], $2::bytea[], $3::bytea[], $4::bytea[], $5::text[], $6::date[]) as r (integrated_number, index, number_sealed, items_sealed, state, state_since)
where p.integrated_number = r.integrated_number

-- name: drop_former_numbers
-- Those of a person that are none of these; each is given by all its indexes.
delete from former_individual_number where integrated_number = $1 and individual_number_index <> all($2::bytea[])

-- name: put_former_number
with known as (
    update former_individual_number set by_law = $5 where integrated_number = $1 and individual_number_index = any($4::bytea[]) returning former_no
)
insert into former_individual_number (integrated_number, individual_number_index, individual_number_sealed, by_law)
select $1, $2, $3, $5 where not exists (select from known)

-- name: put_change_hold
-- One that was decided is open again.
insert into review_hold (hold_id, business_system_id, addressee_number, reason, differing, sealed, held_at, subject, event_key, effective_on, digest)
values ($1, $2, $3, $4, $5, $6, $7, 'change', $8, $9, $10)
on conflict (event_key) do update set state = 'open', reason = excluded.reason, differing = excluded.differing, sealed = excluded.sealed,
    digest = excluded.digest, held_at = excluded.held_at, decided_at = null, forgotten_at = null
where review_hold.state <> 'open'
