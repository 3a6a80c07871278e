-- Rows that are sealed under a key of the ring, by table: a page of them after a key, those under another version than $3 locked; writing; counting.
-- Rows that somebody else holds are left out of a page: the next pass finds them. Nobody waits for a page, and a page for nobody.

-- name: page_of_person_number
with page as (select integrated_number from person where integrated_number > $1::text::bigint order by integrated_number limit $2),
held as materialized (select p.integrated_number, p.individual_number_sealed from person p join page using (integrated_number) where substring(p.individual_number_sealed from 2 for 4) <> int4send($3) for update of p skip locked)
select (select max(integrated_number)::text from page) as last, held.integrated_number is not null as is_old, held.* from (select 1) as one left join held on true

-- name: write_person_number
update person p set individual_number_sealed = r.sealed from unnest($1::bigint[], $2::bytea[]) as r (integrated_number, sealed) where p.integrated_number = r.integrated_number

-- name: count_person_number
select count(*) from person where (substring(individual_number_sealed from 2 for 4) = int4send($1)) = $2

-- name: page_of_person_base_number
with page as (select integrated_number from person_base where integrated_number > $1::text::bigint order by integrated_number limit $2),
held as materialized (select p.integrated_number, p.individual_number_sealed from person_base p join page using (integrated_number) where substring(p.individual_number_sealed from 2 for 4) <> int4send($3) for update of p skip locked)
select (select max(integrated_number)::text from page) as last, held.integrated_number is not null as is_old, held.* from (select 1) as one left join held on true

-- name: write_person_base_number
update person_base p set individual_number_sealed = r.sealed from unnest($1::bigint[], $2::bytea[]) as r (integrated_number, sealed) where p.integrated_number = r.integrated_number

-- name: count_person_base_number
select count(*) from person_base where (substring(individual_number_sealed from 2 for 4) = int4send($1)) = $2

-- name: page_of_person_items
with page as (select integrated_number from person where integrated_number > $1::text::bigint order by integrated_number limit $2),
held as materialized (select p.integrated_number, p.four_items_sealed from person p join page using (integrated_number) where substring(p.four_items_sealed from 2 for 4) <> int4send($3) for update of p skip locked)
select (select max(integrated_number)::text from page) as last, held.integrated_number is not null as is_old, held.* from (select 1) as one left join held on true

-- name: write_person_items
update person p set four_items_sealed = r.sealed from unnest($1::bigint[], $2::bytea[]) as r (integrated_number, sealed) where p.integrated_number = r.integrated_number

-- name: count_person_items
select count(*) from person where (substring(four_items_sealed from 2 for 4) = int4send($1)) = $2

-- name: page_of_person_base_items
with page as (select integrated_number from person_base where integrated_number > $1::text::bigint order by integrated_number limit $2),
held as materialized (select p.integrated_number, p.four_items_sealed from person_base p join page using (integrated_number) where substring(p.four_items_sealed from 2 for 4) <> int4send($3) for update of p skip locked)
select (select max(integrated_number)::text from page) as last, held.integrated_number is not null as is_old, held.* from (select 1) as one left join held on true

-- name: write_person_base_items
update person_base p set four_items_sealed = r.sealed from unnest($1::bigint[], $2::bytea[]) as r (integrated_number, sealed) where p.integrated_number = r.integrated_number

-- name: count_person_base_items
select count(*) from person_base where (substring(four_items_sealed from 2 for 4) = int4send($1)) = $2

-- name: page_of_person_event
with page as (select event_no from person_event where event_no > $1::text::bigint order by event_no limit $2),
held as materialized (select p.event_no, p.integrated_number, p.event_key, p.sealed from person_event p join page using (event_no) where substring(p.sealed from 2 for 4) <> int4send($3) for update of p skip locked)
select (select max(event_no)::text from page) as last, held.event_no is not null as is_old, held.* from (select 1) as one left join held on true

-- name: write_person_event
update person_event p set sealed = r.sealed from unnest($1::bigint[], $2::bytea[]) as r (event_no, sealed) where p.event_no = r.event_no

-- name: count_person_event
select count(*) from person_event where (substring(sealed from 2 for 4) = int4send($1)) = $2

-- name: page_of_review_hold
with page as (select hold_id from review_hold where hold_id > $1 order by hold_id limit $2),
held as materialized (select p.hold_id, p.sealed from review_hold p join page using (hold_id) where substring(p.sealed from 2 for 4) <> int4send($3) for update of p skip locked)
select (select max(hold_id) from page) as last, held.hold_id is not null as is_old, held.* from (select 1) as one left join held on true

-- name: write_review_hold
update review_hold p set sealed = r.sealed from unnest($1::text[], $2::bytea[]) as r (hold_id, sealed) where p.hold_id = r.hold_id

-- name: count_review_hold
select count(*) from review_hold where (substring(sealed from 2 for 4) = int4send($1)) = $2

-- name: page_of_review_decision
with page as (select decision_id from review_decision where decision_id > $1 order by decision_id limit $2),
held as materialized (select p.decision_id, p.sealed from review_decision p join page using (decision_id) where substring(p.sealed from 2 for 4) <> int4send($3) for update of p skip locked)
select (select max(decision_id) from page) as last, held.decision_id is not null as is_old, held.* from (select 1) as one left join held on true

-- name: write_review_decision
update review_decision p set sealed = r.sealed from unnest($1::text[], $2::bytea[]) as r (decision_id, sealed) where p.decision_id = r.decision_id

-- name: count_review_decision
select count(*) from review_decision where (substring(sealed from 2 for 4) = int4send($1)) = $2

-- name: page_of_waiting_change
with page as (select waiting_no from waiting_change where waiting_no > $1::text::bigint order by waiting_no limit $2),
held as materialized (select p.waiting_no, p.event_key, p.sealed from waiting_change p join page using (waiting_no) where substring(p.sealed from 2 for 4) <> int4send($3) for update of p skip locked)
select (select max(waiting_no)::text from page) as last, held.waiting_no is not null as is_old, held.* from (select 1) as one left join held on true

-- name: write_waiting_change
update waiting_change p set sealed = r.sealed from unnest($1::bigint[], $2::bytea[]) as r (waiting_no, sealed) where p.waiting_no = r.waiting_no

-- name: count_waiting_change
select count(*) from waiting_change where (substring(sealed from 2 for 4) = int4send($1)) = $2

-- name: page_of_original
with page as (select record_id from original where record_id > $1 order by record_id limit $2),
held as materialized (select p.* from original p join page using (record_id) where substring(p.sealed from 2 for 4) <> int4send($3) for update of p skip locked)
select (select max(record_id) from page) as last, held.record_id is not null as is_old, held.* from (select 1) as one left join held on true

-- name: write_original
update original p set sealed = r.sealed from unnest($1::text[], $2::bytea[]) as r (record_id, sealed) where p.record_id = r.record_id

-- name: count_original
select count(*) from original where (substring(sealed from 2 for 4) = int4send($1)) = $2

-- name: page_of_original_past
with page as (select distinct record_id from original_past where record_id > $1 order by record_id limit $2),
held as materialized (select p.* from original_past p join page using (record_id) where substring(p.sealed from 2 for 4) <> int4send($3) for update of p skip locked)
select (select max(record_id) from page) as last, held.record_id is not null as is_old, held.* from (select 1) as one left join held on true

-- name: write_original_past
update original_past p set sealed = r.sealed from unnest($1::text[], $2::integer[], $3::bytea[]) as r (record_id, edition, sealed) where p.record_id = r.record_id and p.edition = r.edition

-- name: count_original_past
select count(*) from original_past where (substring(sealed from 2 for 4) = int4send($1)) = $2

-- name: page_of_push_target
with page as (select business_system_id from push_target where business_system_id > $1 order by business_system_id limit $2),
held as materialized (select p.business_system_id, p.secret_sealed from push_target p join page using (business_system_id) where substring(p.secret_sealed from 2 for 4) <> int4send($3) for update of p skip locked)
select (select max(business_system_id) from page) as last, held.business_system_id is not null as is_old, held.* from (select 1) as one left join held on true

-- name: write_push_target
update push_target p set secret_sealed = r.sealed from unnest($1::text[], $2::bytea[]) as r (business_system_id, sealed) where p.business_system_id = r.business_system_id

-- name: count_push_target
select count(*) from push_target where (substring(secret_sealed from 2 for 4) = int4send($1)) = $2

-- name: page_of_push_delivery
with page as (select delivery_id from push_delivery where delivery_id > $1 order by delivery_id limit $2),
held as materialized (select p.delivery_id, p.sealed from push_delivery p join page using (delivery_id) where substring(p.sealed from 2 for 4) <> int4send($3) for update of p skip locked)
select (select max(delivery_id) from page) as last, held.delivery_id is not null as is_old, held.* from (select 1) as one left join held on true

-- name: write_push_delivery
update push_delivery p set sealed = r.sealed from unnest($1::text[], $2::bytea[]) as r (delivery_id, sealed) where p.delivery_id = r.delivery_id

-- name: count_push_delivery
select count(*) from push_delivery where (substring(sealed from 2 for 4) = int4send($1)) = $2

-- name: page_of_oauth_secret
with page as (select distinct client_id from oauth_secret where client_id > $1 order by client_id limit $2),
held as materialized (select p.client_id, p.secret_id, p.sealed from oauth_secret p join page using (client_id) where substring(p.sealed from 2 for 4) <> int4send($3) for update of p skip locked)
select (select max(client_id) from page) as last, held.client_id is not null as is_old, held.* from (select 1) as one left join held on true

-- name: write_oauth_secret
update oauth_secret p set sealed = r.sealed from unnest($1::text[], $2::text[], $3::bytea[]) as r (client_id, secret_id, sealed) where p.client_id = r.client_id and p.secret_id = r.secret_id

-- name: count_oauth_secret
select count(*) from oauth_secret where (substring(sealed from 2 for 4) = int4send($1)) = $2
