-- Rows that are sealed under a key of the ring, by table: a page of them after a key, those under another version than $3 locked; writing; counting.
-- Rows that somebody else holds are left out of a page: the next pass finds them. Nobody waits for a page, and a page for nobody.

-- for each: name, table, key, type, sealed
-- person_number, person, integrated_number, bigint, individual_number_sealed
-- person_base_number, person_base, integrated_number, bigint, individual_number_sealed
-- former_number, former_individual_number, former_no, bigint, individual_number_sealed
-- person_items, person, integrated_number, bigint, four_items_sealed
-- person_base_items, person_base, integrated_number, bigint, four_items_sealed
-- person_event, person_event, event_no, bigint, sealed
-- review_hold, review_hold, hold_id, text, sealed
-- review_decision, review_decision, decision_id, text, sealed
-- waiting_change, waiting_change, waiting_no, bigint, sealed
-- original, original, record_id, text, sealed
-- push_target, push_target, business_system_id, text, secret_sealed
-- push_delivery, push_delivery, delivery_id, text, sealed
-- name: page_of_{name}
with page as (select {key} from {table} where {key} > $1::text::{type} order by {key} limit $2),
held as materialized (select p.* from {table} p join page using ({key}) where substring(p.{sealed} from 2 for 4) <> int4send($3) for update of p skip locked)
select (select max({key})::text from page) as last, held.{key} is not null as is_old, held.* from (select 1) as one left join held on true

-- name: write_{name}
update {table} p set {sealed} = r.sealed from unnest($1::{type}[], $2::bytea[]) as r ({key}, sealed) where p.{key} = r.{key}

-- name: count_{name}
select count(*) from {table} where (substring({sealed} from 2 for 4) = int4send($1)) = $2

-- end

-- Several rows under one key: they go together, and a second key tells them apart.

-- for each: table, key, other, type
-- original_past, record_id, edition, integer
-- oauth_secret, client_id, secret_id, text
-- name: page_of_{table}
with page as (select distinct {key} from {table} where {key} > $1 order by {key} limit $2),
held as materialized (select p.* from {table} p join page using ({key}) where substring(p.sealed from 2 for 4) <> int4send($3) for update of p skip locked)
select (select max({key}) from page) as last, held.{key} is not null as is_old, held.* from (select 1) as one left join held on true

-- name: write_{table}
update {table} p set sealed = r.sealed from unnest($1::text[], $2::{type}[], $3::bytea[]) as r ({key}, {other}, sealed)
where p.{key} = r.{key} and p.{other} = r.{other}

-- name: count_{table}
select count(*) from {table} where (substring(sealed from 2 for 4) = int4send($1)) = $2

-- end

-- Blind indexes of 個人番号: an index says its version, 4 bytes before its 32, of version 1 none. Where the code of a person stands under the same
-- number it goes with it: otherwise the number would seem to have changed.

-- for each: name, table, key
-- person_index, person, integrated_number
-- person_base_index, person_base, integrated_number
-- former_index, former_individual_number, former_no
-- name: page_of_{name}
with page as (select {key} from {table} where {key} > $1::text::bigint order by {key} limit $2),
held as materialized (
    select p.* from {table} p join page using ({key})
    where substring(case octet_length(p.individual_number_index) when 32 then '\x00000001'::bytea else p.individual_number_index end from 1 for 4) <> int4send($3)
    for update of p skip locked
)
select (select max({key})::text from page) as last, held.{key} is not null as is_old, held.* from (select 1) as one left join held on true

-- name: count_{name}
select count(*) from {table} where individual_number_index is not null
    and (substring(case octet_length(individual_number_index) when 32 then '\x00000001'::bytea else individual_number_index end from 1 for 4) = int4send($1)) = $2

-- end

-- name: write_person_index
with r as (select * from unnest($1::bigint[], $2::bytea[], $3::bytea[]) as r (integrated_number, was, index)),
standing as (
    update code_standing c set number_index = r.index from r where c.integrated_number = r.integrated_number and c.number_index = r.was
)
update person p set individual_number_index = r.index from r where p.integrated_number = r.integrated_number and p.individual_number_index = r.was

-- name: write_person_base_index
update person_base p set individual_number_index = r.index from unnest($1::bigint[], $2::bytea[], $3::bytea[]) as r (integrated_number, was, index)
where p.integrated_number = r.integrated_number and p.individual_number_index = r.was

-- name: write_former_index
update former_individual_number p set individual_number_index = r.index from unnest($1::bigint[], $2::bytea[], $3::bytea[]) as r (former_no, was, index)
where p.former_no = r.former_no and p.individual_number_index = r.was
