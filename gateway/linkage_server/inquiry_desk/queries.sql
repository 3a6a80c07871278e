-- name: put_refusal
insert into desk_refusal (message_id, inquiry_number, reason, asked)
select r.message_id, r.inquiry_number, r.reason, r.asked
from unnest($1::text[], $2::text[], $3::text[], $4::bytea[]) as r (message_id, inquiry_number, reason, asked)
on conflict (message_id) do nothing returning message_id

-- name: known_at_the_desk
-- People by system and addressee number, and in the same look what was refused under these retry identities (system '').
select * from across.look('known_at_the_desk', $1::text[], $2::text[], $3::text[])
as r (tenant text, system text, name text, integrated_number bigint, frozen boolean, inquiry_number text, reason text, asked bytea)

-- name: refusals
select message_id, inquiry_number, reason, asked from desk_refusal where message_id = any($1::text[])

-- name: four_items
select a.addressee_number, p.integrated_number, p.four_items_sealed
from addressee a join person p using (integrated_number)
where a.business_system_id = $1 and a.addressee_number = any($2::text[]) and a.state = 'held'

-- name: four_items_by_person
select integrated_number, four_items_sealed from person where integrated_number = any($1::bigint[])

-- name: persons_behind
select addressee_number, integrated_number from addressee where business_system_id = $1 and addressee_number = any($2::text[])

-- name: same_person
-- Each of these numbers with all numbers of the person: who lives on, and those who were merged into them, also by way of others.
with recursive one (number, integrated_number) as (
    select p.integrated_number, coalesce(lives_on(p.merged_into), p.integrated_number) from person p where p.integrated_number = any($1::bigint[])
    union
    select one.number, p.integrated_number from person p join one on p.merged_into = one.integrated_number
)
select number, array_agg(integrated_number order by integrated_number) as numbers from one group by number
