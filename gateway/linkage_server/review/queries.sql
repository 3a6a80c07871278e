-- name: standings
-- merged_into: who lives on by now.
select integrated_number, revision, frozen, lives_on(merged_into) as merged_into, individual_number_index is not null as has_number,
    coalesce((select c.state from code_standing c where c.integrated_number = person.integrated_number), 'none') as code_state
from person where integrated_number = any($1::bigint[])

-- name: addressees_of
select integrated_number, business_system_id, addressee_number, replaced_by from addressee
where integrated_number = any($1::bigint[]) order by business_system_id, addressee_number

-- name: person_of_addressee
select integrated_number from addressee where business_system_id = $1 and addressee_number = $2

-- name: person_of_index
-- The person of a blind index, under any version of its key; a number that was merged leads to the one who lives on.
select coalesce(lives_on(merged_into), integrated_number) as integrated_number from person where individual_number_index = any($1::bytea[])

-- name: set_frozen
update person set frozen = $2, revision = nextval('person_revision')
where integrated_number = any($1::bigint[]) and frozen <> $2 and merged_into is null

-- name: touch
update person set revision = nextval('person_revision') where integrated_number = any($1::bigint[])

-- name: new_person
-- Somebody new beside another of whom they were a part by mistake, frozen until the decision is through.
insert into person (integrated_number, four_items_sealed, registered_on, frozen) values ($1, $2, $3, true)

-- name: addressees_since
select business_system_id, addressee_number, merged_from, known_since, came_at from addressee where integrated_number = $1

-- name: set_merged
update person set merged_into = $2, frozen = true, revision = nextval('person_revision') where integrated_number = $1

-- name: unmerge
update person set merged_into = null, revision = nextval('person_revision') where integrated_number = $1 and merged_into is not null

-- name: repoint
-- $5: how. By a merge nothing of before is lost; a split that goes back to whom a number meant before a merge keeps it too, and one to somebody new
-- when they begin with what was sent for it. Of any other it is not known what was sent for its person.
update addressee set integrated_number = $2, revision = nextval('addressee_revision'),
    merged_from = case
        when $5 = 'merge' then coalesce(addressee.merged_from, $1)
        when addressee.merged_from <> $2 and lives_on(addressee.merged_from) = $2 then addressee.merged_from end,
    known_since = case when $5 in ('merge', 'new') or lives_on(addressee.merged_from) = $2 then addressee.known_since end,
    came_at = case when $5 in ('merge', 'new') or lives_on(addressee.merged_from) = $2 then addressee.came_at end
from unnest($3::text[], $4::text[]) as r (business_system_id, addressee_number)
where addressee.business_system_id = r.business_system_id and addressee.addressee_number = r.addressee_number
    and addressee.integrated_number = $1

-- name: all_addressees
select business_system_id, addressee_number from addressee where integrated_number = $1

-- name: forget_base_number
update person_base set individual_number_index = null, individual_number_sealed = null where integrated_number = $1

-- name: events_of_addressees
-- held_by: the open hold that alone takes it out of what counts.
select e.event_key, e.business_system_id, e.addressee_number, e.applied_at, h.hold_id as held_by
from person_event e join unnest($2::text[], $3::text[]) as r (business_system_id, addressee_number) using (business_system_id, addressee_number)
    left join review_hold h on h.hold_id = e.undone_by
where e.integrated_number = $1 and (e.undone_by is null or h.state = 'open')

-- name: follow_hold
update review_hold set event_key = $2 where hold_id = $1

-- name: event_of_hold
-- The change of a hold in the history, where it is: whether the hold alone takes it out of what counts, and whether its addressee number means
-- somebody else by now.
select e.undone_by is not distinct from h.hold_id as is_held, a.integrated_number is distinct from e.integrated_number as is_anothers
from review_hold h join person_event e using (event_key)
    left join addressee a on a.business_system_id = e.business_system_id and a.addressee_number = e.addressee_number
where h.hold_id = $1

-- name: put_addressee
-- An addressee number as a held row of a load named it; one that is there means another person from now on, or the same one still, and then it
-- keeps whom it meant before.
insert into addressee (business_system_id, addressee_number, integrated_number, resident_kind, intake_id, known_since, came_at)
values ($1, $2, $3, $4, $5, $6, $7)
on conflict (business_system_id, addressee_number) do update
set integrated_number = excluded.integrated_number, state = 'held', ended_on = null, replaced_by = null,
    merged_from = case when addressee.integrated_number = excluded.integrated_number then addressee.merged_from end,
    known_since = coalesce(excluded.known_since, case when addressee.integrated_number = excluded.integrated_number then addressee.known_since end),
    came_at = coalesce(excluded.came_at, case when addressee.integrated_number = excluded.integrated_number then addressee.came_at end),
    revision = nextval('addressee_revision')

-- name: hold
select hold_id, business_system_id, addressee_number, reason, differing, sealed, state, held_at, subject, event_key, effective_on, forgotten_at
from review_hold where hold_id = $1

-- name: holds
-- Open holds in the order in which they came; after the one whose id is given.
select h.hold_id, h.business_system_id, h.reason, h.differing, h.state, h.held_at, h.subject, d.decision_id
from review_hold h left join review_decision d
    on d.hold_id = h.hold_id and d.state in ('proposed', 'approved', 'withdrawing', 'applied')
where h.state = 'open' and ($1 = '' or (h.held_at, h.hold_id) > (select held_at, hold_id from review_hold where hold_id = $1))
    and ($2 = '' or h.reason = $2)
order by h.held_at, h.hold_id limit $3

-- name: open_holds_count
select count(*) from review_hold where state = 'open'

-- name: hold_of_addressee
-- What a system last sent about an addressee number and staff linked.
select hold_id, sealed, held_at, effective_on from review_hold
where business_system_id = $1 and addressee_number = $2 and state = 'linked' and subject = 'addressee' and sealed is not null
order by held_at desc, hold_id desc limit 1

-- name: close_hold
-- A change that was taken as approved, and taken back before its decision was through, was decided all the same.
update review_hold set state = $2, decided_at = $3 where hold_id = $1 and state in ('open', 'cancelled')

-- name: holds_to_forget
-- Decided before $1. needed: the last row by which staff linked an addressee number.
select h.hold_id, h.sealed, h.state = 'linked' and h.subject = 'addressee' and not exists (
        select from review_hold n where (n.business_system_id, n.addressee_number, n.subject, n.state)
            = (h.business_system_id, h.addressee_number, h.subject, h.state) and n.sealed is not null and (n.held_at, n.hold_id) > (h.held_at, h.hold_id)
    ) as needed
from review_hold h where h.decided_at <= $1 and h.forgotten_at is null order by h.decided_at limit $2 for update of h skip locked

-- name: forget_holds
-- What was decided about a row binds longer than what it said is kept, and under the event id of a change comes no other one.
update review_hold h set sealed = r.sealed, forgotten_at = $3, digest = case when h.subject = 'change' or h.state in ('linked', 'kept') then h.digest end
from unnest($1::text[], $2::bytea[]) as r (hold_id, sealed) where h.hold_id = r.hold_id

-- name: decisions_to_forget
-- Ended before $1.
select decision_id, sealed from review_decision where ended_at <= $1 and forgotten_at is null order by ended_at limit $2 for update skip locked

-- name: forget_decisions
update review_decision d set sealed = r.sealed, forgotten_at = $3 from unnest($1::text[], $2::bytea[]) as r (decision_id, sealed)
where d.decision_id = r.decision_id

-- name: forget_earlier_rows
-- Another row of the same addressee number is what staff linked last.
update review_hold h set sealed = null, forgotten_at = $2, digest = null
from review_hold n
where n.hold_id = $1 and (n.business_system_id, n.addressee_number) = (h.business_system_id, h.addressee_number) and n.hold_id <> h.hold_id
    and h.subject = 'addressee' and h.state = 'linked'

-- name: decision
select * from review_decision where decision_id = $1

-- name: lock_decision
select * from review_decision where decision_id = $1 for update

-- name: decisions
select decision_id, kind, state, version, hold_id, business_system_id, affair, proposed_by, proposed_at, approved_by, approved_at, ended_at, reason
from review_decision
where decision_id > $1 and ($2::text[] = '{}' or state = any($2::text[])) order by decision_id limit $3

-- name: decisions_to_do
select decision_id from review_decision where state in ('approved', 'withdrawing', 'applied') order by proposed_at, decision_id

-- name: splits_done
select * from review_decision where kind = 'split' and state = 'done' and decision_id > $1 order by decision_id limit $2

-- name: open_about
select decision_id from review_decision where subject = $1 and state in ('proposed', 'approved', 'withdrawing', 'applied')

-- name: under_way_with
select decision_id from review_decision where state = 'withdrawing' and persons && $1::bigint[] and decision_id <> $2 limit 1

-- name: move_decision
update review_decision set state = $2 where decision_id = $1 and state = any($3::text[])

-- name: put_decision
insert into review_decision (decision_id, kind, subject, hold_id, state, persons, revisions, sealed, content, business_system_id, affair,
    proposed_by, proposed_at, proposed_client)
select r.decision_id, r.kind, r.subject, r.hold_id, r.state,
    string_to_array(r.persons, ',')::bigint[], string_to_array(r.revisions, ',')::bigint[], r.sealed, r.content, r.business_system_id, r.affair, r.proposed_by, r.proposed_at, r.proposed_client
from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::bytea[], $9::bytea[], $10::text[],
    $11::text[], $12::text[], $13::timestamptz[], $14::text[])
    as r (decision_id, kind, subject, hold_id, state, persons, revisions, sealed, content, business_system_id, affair, proposed_by, proposed_at, proposed_client)
on conflict do nothing returning decision_id

-- name: edit_decision
update review_decision d set kind = r.kind, version = r.version, state = 'proposed', approved_by = null, approved_at = null, approval = null,
    persons = string_to_array(r.persons, ',')::bigint[], revisions = string_to_array(r.revisions, ',')::bigint[],
    sealed = r.sealed, content = r.content, business_system_id = r.business_system_id, affair = r.affair,
    proposed_by = r.proposed_by, proposed_at = r.proposed_at, proposed_client = r.proposed_client
from unnest($1::text[], $2::text[], $3::text[], $4::int[], $5::text[], $6::text[], $7::bytea[], $8::bytea[], $9::text[], $10::text[],
    $11::text[], $12::timestamptz[], $13::text[])
    as r (decision_id, kind, subject, version, persons, revisions, sealed, content, business_system_id, affair, proposed_by, proposed_at, proposed_client)
where d.decision_id = r.decision_id and d.subject = r.subject and d.version = r.version - 1 and d.state in ('proposed', 'approved')
returning d.decision_id

-- name: approve_decision
update review_decision d set state = 'approved', approved_by = r.staff, approved_at = r.at, approval = r.approval
from unnest($1::text[], $2::bytea[], $3::text[], $4::timestamptz[], $5::bytea[]) as r (decision_id, content, staff, at, approval)
where d.decision_id = r.decision_id and d.content = r.content and d.state = 'proposed' and lower(d.proposed_by) <> lower(r.staff)
returning d.decision_id

-- name: end_decision
update review_decision d set state = r.state, ended_at = r.at, ended_by = r.staff, reason = r.reason
from unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::text[], $6::text[]) as r (decision_id, state, staff, at, reason, states)
where d.decision_id = r.decision_id and d.state = any(string_to_array(r.states, ' '))
returning d.decision_id

-- name: take_to_refold
delete from person_to_refold where integrated_number in (select integrated_number from person_to_refold order by 1 limit $1 for update skip locked)
returning integrated_number
