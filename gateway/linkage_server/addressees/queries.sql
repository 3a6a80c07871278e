-- name: lock_counter
select next from number_counter for update

-- name: claim_numbers
update number_counter set next = next + $1 returning next - $1

-- name: persons_by_index
select individual_number_index, integrated_number, four_items_sealed from person where individual_number_index = any($1::bytea[])

-- name: addressees
select a.addressee_number, a.intake_id, p.integrated_number, p.individual_number_index, p.four_items_sealed
from addressee a join person p using (integrated_number)
where a.business_system_id = $1 and a.addressee_number = any($2::text[])

-- name: put_hold
insert into review_hold (hold_id, business_system_id, addressee_number, reason, differing, sealed, held_at)
values ($1, $2, $3, $4, $5, $6, $7) on conflict (hold_id) do nothing

-- name: find_addressees
select r.business_system_id, r.addressee_number, a.integrated_number, p.individual_number_index is not null as has_individual_number
from unnest($1::text[], $2::text[]) as r (business_system_id, addressee_number)
join addressee a using (business_system_id, addressee_number)
join person p using (integrated_number)
