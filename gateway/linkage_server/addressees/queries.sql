-- name: lock_counter
update number_counter set locks = locks + 1 returning locks

-- name: count_of_locks
select locks from number_counter

-- name: claim_numbers
update number_counter set next = next + $1 returning next - $1

-- name: numbers_from
select numbers_from from intake where id = $1

-- name: keep_numbers_from
update intake set numbers_from = $2 where id = $1 and numbers_from is null

-- name: migrated_numbers
select integrated_number from person where migrated and integrated_number = any($1::bigint[])

-- name: persons_by_index
select p.individual_number_index, s.integrated_number, s.four_items_sealed, s.frozen
from person p join person s on s.integrated_number = coalesce(lives_on(p.merged_into), p.integrated_number)
where p.individual_number_index = any($1::bytea[])

-- name: former_holders
-- Whoever had it last comes last.
select f.individual_number_index, coalesce(lives_on(p.merged_into), p.integrated_number) as integrated_number
from former_individual_number f join person p using (integrated_number) where f.individual_number_index = any($1::bytea[]) order by f.former_no

-- name: persons_by_number
-- asked: the number that was looked for; of somebody merged whoever lives on answers for it.
select p.integrated_number as asked, s.integrated_number, s.individual_number_index, s.four_items_sealed, s.frozen
from person p join person s on s.integrated_number = coalesce(lives_on(p.merged_into), p.integrated_number)
where p.integrated_number = any($1::bigint[])

-- name: addressees
select a.addressee_number, a.intake_id, a.state, p.integrated_number, p.individual_number_index, p.four_items_sealed, p.frozen
from addressee a join person p using (integrated_number)
where a.business_system_id = $1 and a.addressee_number = any($2::text[])

-- name: settled_rows
-- The row by which staff last decided whom an addressee number means.
select distinct on (addressee_number) addressee_number, digest from review_hold
where business_system_id = $1 and addressee_number = any($2::text[]) and subject = 'addressee' and state in ('linked', 'kept')
order by addressee_number, decided_at desc, hold_id desc

-- name: open_rows
-- Which of these rows wait for a decision. Materialized: else all open holds may be read.
with known as materialized (select digest, state from review_hold where digest = any($2::bytea[]) and business_system_id = $1)
select digest from known where state = 'open'

-- name: put_readings
-- Each a correction, as one of a file of changes. It is of the name that is held today: it counts from the day of its row, or from the last change
-- of the name where that is later. Of what is held nothing else changes, so what `person` says stays the fold of its history.
with told as (
    select * from unnest($1::bigint[], $2::text[], $3::text[], $4::bytea[], $5::bytea[], $6::bytea[])
        as t (integrated_number, event_key, addressee_number, sealed, digest, items_sealed)
), base as (
    insert into person_base (integrated_number, individual_number_index, individual_number_sealed, four_items_sealed)
    select integrated_number, individual_number_index, individual_number_sealed, four_items_sealed
    from person join told using (integrated_number) on conflict (integrated_number) do nothing
), event as (
    insert into person_event (event_key, integrated_number, business_system_id, addressee_number, kind, effective_on, recorded_at, applied_at, sealed, digest, registers)
    select t.event_key, t.integrated_number, $7, t.addressee_number, 'correction', greatest($8::date, (
            select max(e.effective_on) from person_event e where e.integrated_number = t.integrated_number
                and e.kind in ('name_change', 'correction') and e.applied_at is not null and e.undone_by is null)),
        $9, $9, t.sealed, t.digest, false
    from told t
)
update person p set four_items_sealed = t.items_sealed, revision = nextval('person_revision') from told t where p.integrated_number = t.integrated_number

-- name: put_hold
-- effective_on: the day that the row is of.
insert into review_hold (hold_id, business_system_id, addressee_number, reason, differing, sealed, held_at, effective_on, digest)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9) on conflict (hold_id) do nothing
