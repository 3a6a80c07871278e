-- name: progress
select revision, made_under, coalesce((select max(revision) from person), 0) as newest from search_progress

-- name: take_progress
select revision, made_under from search_progress for update skip locked

-- name: begin_anew
update search_progress set revision = 0, made_under = $1

-- name: advance
update search_progress set revision = $1 where revision < $1

-- name: changed
select integrated_number, four_items_sealed, revision from person where revision > $1 order by revision limit $2

-- name: put_tokens
insert into search_token (integrated_number, birth_kana, birth_name, birth_address, name_street, kana_street, name_town, kana_town)
select * from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[])
on conflict (integrated_number) do update set
    birth_kana = excluded.birth_kana, birth_name = excluded.birth_name, birth_address = excluded.birth_address,
    name_street = excluded.name_street, kana_street = excluded.kana_street,
    name_town = excluded.name_town, kana_town = excluded.kana_town

-- name: with_tokens
select integrated_number from search_token
where birth_kana = $1 or birth_name = $2 or birth_address = $3 or name_street = $4 or kana_street = $5 or name_town = $6 or kana_town = $7
limit $8

-- name: by_individual_number
select integrated_number from person where individual_number_index = any($1::bytea[])

-- name: by_addressee
select integrated_number from addressee where business_system_id = $1 and addressee_number = $2 and state = 'held'

-- name: living_on
with recursive one (integrated_number, merged_into) as (
    select integrated_number, merged_into from person where integrated_number = any($1::bigint[])
    union
    select p.integrated_number, p.merged_into from person p join one on p.integrated_number = one.merged_into
)
select integrated_number from one where merged_into is null

-- name: candidates
-- What people are compared by, of those who were not merged away.
select p.integrated_number, p.four_items_sealed
from unnest($1::bigint[]) as r (integrated_number)
cross join lateral (select integrated_number, four_items_sealed from person where integrated_number = r.integrated_number and merged_into is null limit 1) p

-- name: held_by
select r.integrated_number
from unnest($1::bigint[]) as r (integrated_number)
cross join lateral (
    select 1 from addressee where integrated_number = r.integrated_number and state = 'held' and business_system_id = $2 limit 1
) a

-- name: people
select p.integrated_number, p.individual_number_sealed, p.four_items_sealed, p.state, p.state_since, p.frozen, a.systems, a.numbers
from unnest($1::bigint[]) with ordinality as r (integrated_number, nth)
cross join lateral (
    select integrated_number, individual_number_sealed, four_items_sealed, state, state_since, frozen
    from person where integrated_number = r.integrated_number and merged_into is null limit 1
) p
cross join lateral (
    select array_agg(business_system_id order by business_system_id, addressee_number) as systems,
        array_agg(addressee_number order by business_system_id, addressee_number) as numbers
    from addressee where integrated_number = r.integrated_number and state = 'held' and ($2::text is null or business_system_id = $2)
) a
where $2::text is null or a.systems is not null
order by r.nth

-- name: merged_away
select integrated_number from person where integrated_number = any($1::bigint[]) and merged_into is not null
