-- Rows of an intermediate server that are sealed, and found, under a key of the ring: a page of them after a key, those under another version than $3 locked;
-- writing; counting. Rows that somebody else holds are left out of a page: the next pass finds them.

-- name: page_of_person_code
-- Bound codes. One that is asked for yet goes by its window.
with page as (select integrated_number from person_code where bound_at is not null and integrated_number > $1 order by integrated_number limit $2),
held as materialized (
    select p.* from person_code p join page using (integrated_number)
    where p.bound_at is not null and substring(p.code_sealed from 2 for 4) <> int4send($3) for update of p skip locked
)
select (select max(integrated_number) from page) as last, held.integrated_number is not null as is_old, held.* from (select 1) as one left join held on true

-- name: write_person_code
update person_code p set code_index = r.code_index, code_sealed = r.code_sealed
from unnest($1::text[], $2::bytea[], $3::bytea[]) as r (integrated_number, code_index, code_sealed)
where p.integrated_number = r.integrated_number and p.bound_at is not null

-- name: count_person_code
select count(*) from person_code where bound_at is not null and (substring(code_sealed from 2 for 4) = int4send($1)) = $2

-- name: page_of_bar
with page as (select bar_id from bar where number_sealed is not null and bar_id > $1 order by bar_id limit $2),
held as materialized (
    select p.* from bar p join page using (bar_id) where substring(p.number_sealed from 2 for 4) <> int4send($3) for update of p skip locked
)
select (select max(bar_id) from page) as last, held.bar_id is not null as is_old, held.* from (select 1) as one left join held on true

-- name: write_bar
update bar p set person_index = r.person_index, number_sealed = r.number_sealed
from unnest($1::text[], $2::bytea[], $3::bytea[]) as r (bar_id, person_index, number_sealed) where p.bar_id = r.bar_id

-- name: count_bar
select count(*) from bar where number_sealed is not null and (substring(number_sealed from 2 for 4) = int4send($1)) = $2

-- name: page_of_replica_withdrawn
-- Those that have their number beside them.
with page as (select record_id from replica_withdrawn where number_sealed is not null and record_id > $1 order by record_id limit $2),
held as materialized (
    select p.* from replica_withdrawn p join page using (record_id) where substring(p.number_sealed from 2 for 4) <> int4send($3) for update of p skip locked
)
select (select max(record_id) from page) as last, held.record_id is not null as is_old, held.* from (select 1) as one left join held on true

-- name: write_replica_withdrawn
update replica_withdrawn p set person_index = r.person_index, number_sealed = r.number_sealed
from unnest($1::text[], $2::bytea[], $3::bytea[]) as r (record_id, person_index, number_sealed) where p.record_id = r.record_id

-- name: count_replica_withdrawn
select count(*) from replica_withdrawn where number_sealed is not null and (substring(number_sealed from 2 for 4) = int4send($1)) = $2

-- name: page_of_staff_relation
-- Those that have their number beside them.
with page as (select distinct staff_id from staff_relation where number_sealed is not null and staff_id > $1 order by staff_id limit $2),
held as materialized (
    select p.* from staff_relation p join page using (staff_id)
    where p.number_sealed is not null and substring(p.number_sealed from 2 for 4) <> int4send($3) for update of p skip locked
)
select (select max(staff_id) from page) as last, held.staff_id is not null as is_old, held.* from (select 1) as one left join held on true

-- name: write_staff_relation
update staff_relation p set person_index = r.person_index, number_sealed = r.number_sealed
from unnest($1::text[], $2::text[], $3::bytea[], $4::bytea[], $5::bytea[]) as r (staff_id, relation, was, person_index, number_sealed)
where p.staff_id = r.staff_id and p.relation = r.relation and p.person_index = r.was

-- name: count_staff_relation
select count(*) from staff_relation where number_sealed is not null and (substring(number_sealed from 2 for 4) = int4send($1)) = $2

-- name: page_of_provision_ground
with page as (select permit_id from provision where ground_sealed is not null and permit_id > $1 order by permit_id limit $2),
held as materialized (
    select p.permit_id, p.integrated_number, p.item, p.information, p.permit, p.public_key, p.ground_sealed from provision p join page using (permit_id)
    where substring(p.ground_sealed from 2 for 4) <> int4send($3) for update of p skip locked
)
select (select max(permit_id) from page) as last, held.permit_id is not null as is_old, held.* from (select 1) as one left join held on true

-- name: write_provision_ground
update provision p set ground_sealed = r.ground_sealed from unnest($1::text[], $2::bytea[]) as r (permit_id, ground_sealed) where p.permit_id = r.permit_id

-- name: count_provision_ground
select count(*) from provision where ground_sealed is not null and (substring(ground_sealed from 2 for 4) = int4send($1)) = $2

-- name: page_of_staff_member
with page as (select staff_id from staff_member where mark is not null and staff_id > $1 order by staff_id limit $2),
held as materialized (
    select p.* from staff_member p join page using (staff_id)
    where substring(case octet_length(p.mark) when 32 then '\x00000001'::bytea else p.mark end from 1 for 4) <> int4send($3) for update of p skip locked
)
select (select max(staff_id) from page) as last, held.staff_id is not null as is_old, held.* from (select 1) as one left join held on true

-- name: write_staff_member
update staff_member p set mark = r.mark from unnest($1::text[], $2::bytea[]) as r (staff_id, mark) where p.staff_id = r.staff_id

-- name: count_staff_member
select count(*) from staff_member where mark is not null and (substring(case octet_length(mark) when 32 then '\x00000001'::bytea else mark end from 1 for 4) = int4send($1)) = $2

-- name: page_of_staff_card
with page as (select card_id from staff_card where mark is not null and card_id > $1 order by card_id limit $2),
held as materialized (
    select p.* from staff_card p join page using (card_id)
    where substring(case octet_length(p.mark) when 32 then '\x00000001'::bytea else p.mark end from 1 for 4) <> int4send($3) for update of p skip locked
)
select (select max(card_id) from page) as last, held.card_id is not null as is_old, held.* from (select 1) as one left join held on true

-- name: write_staff_card
update staff_card p set mark = r.mark from unnest($1::text[], $2::bytea[]) as r (card_id, mark) where p.card_id = r.card_id

-- name: count_staff_card
select count(*) from staff_card where mark is not null and (substring(case octet_length(mark) when 32 then '\x00000001'::bytea else mark end from 1 for 4) = int4send($1)) = $2

-- name: page_of_staff_grant
with page as (select grant_id from staff_grant where mark is not null and grant_id > $1 order by grant_id limit $2),
held as materialized (
    select p.* from staff_grant p join page using (grant_id)
    where substring(case octet_length(p.mark) when 32 then '\x00000001'::bytea else p.mark end from 1 for 4) <> int4send($3) for update of p skip locked
)
select (select max(grant_id) from page) as last, held.grant_id is not null as is_old, held.* from (select 1) as one left join held on true

-- name: write_staff_grant
update staff_grant p set mark = r.mark from unnest($1::text[], $2::bytea[]) as r (grant_id, mark) where p.grant_id = r.grant_id

-- name: count_staff_grant
select count(*) from staff_grant where mark is not null and (substring(case octet_length(mark) when 32 then '\x00000001'::bytea else mark end from 1 for 4) = int4send($1)) = $2

-- name: page_of_staff_session
with page as (select token_hash from staff_session where mark is not null and token_hash > $1 order by token_hash limit $2),
held as materialized (
    select p.* from staff_session p join page using (token_hash)
    where substring(case octet_length(p.mark) when 32 then '\x00000001'::bytea else p.mark end from 1 for 4) <> int4send($3) for update of p skip locked
)
select (select max(token_hash) from page) as last, held.token_hash is not null as is_old, held.* from (select 1) as one left join held on true

-- name: write_staff_session
update staff_session p set mark = r.mark from unnest($1::text[], $2::bytea[]) as r (token_hash, mark) where p.token_hash = r.token_hash

-- name: count_staff_session
select count(*) from staff_session where mark is not null and (substring(case octet_length(mark) when 32 then '\x00000001'::bytea else mark end from 1 for 4) = int4send($1)) = $2
