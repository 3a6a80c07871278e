-- name: take_request
insert into staff_request (idempotency_key, digest, received_at) values ($1, $2, $3)
on conflict (idempotency_key) do nothing returning idempotency_key

-- name: request
select digest, answer from staff_request where idempotency_key = $1

-- name: answer_request
update staff_request set answer = $2 where idempotency_key = $1

-- name: put_people
insert into insured_person (addressee_number, individual_number, personal)
select * from unnest($1::text[], $2::bytea[], $3::bytea[])
on conflict (addressee_number) do update set
    individual_number = coalesce(excluded.individual_number, insured_person.individual_number),
    personal = excluded.personal

-- name: forget_numbers
-- In the ledgers too: a row there says who somebody is by the same number.
with receipts as (
    update receipts_ledger set addressee_individual_number = null where addressee_number = any($1::text[]) and addressee_individual_number is not null
), arrears as (
    update arrears_ledger set addressee_individual_number = null where addressee_number = any($1::text[]) and addressee_individual_number is not null
)
update insured_person set individual_number = null where addressee_number = any($1::text[])

-- name: known_people
select addressee_number from insured_person where addressee_number = any($1::text[])

-- name: people
select addressee_number, personal from insured_person where addressee_number = any($1::text[])

-- name: put_claims
insert into refund_claim
    (claim_id, addressee_number, fiscal_year, amount, chose_receiving_account, individual_number_written, state, claimed_at)
select *, 'claimed', $7 from unnest($1::text[], $2::text[], $3::smallint[], $4::bigint[], $5::boolean[], $6::boolean[])
on conflict (claim_id) do nothing

-- name: claims_by_id
select claim_id, addressee_number, fiscal_year, amount, chose_receiving_account, individual_number_written, state
from refund_claim where claim_id = any($1::text[])

-- name: claims_to_ask
select claim_id, addressee_number, fiscal_year, amount, chose_receiving_account, individual_number_written, state
from refund_claim
where state = 'claimed' and chose_receiving_account and individual_number_written
order by claimed_at, claim_id

-- name: mark_claims_asked
update refund_claim set state = 'asked', asked_at = $3, inquiry = r.inquiry,
    inquiry_key = (select refund_claim.claim_id || '~' || to_hex(extract(epoch from restored_at)::bigint) from restored)
from unnest($1::text[], $2::bytea[]) as r(claim_id, inquiry)
where refund_claim.claim_id = r.claim_id and refund_claim.state = 'claimed'

-- name: asked_claims
select claim_id as key, coalesce(inquiry_key, claim_id) as asked_under, addressee_number, inquiry, inquiry_number from refund_claim
where state = 'asked' order by claimed_at, claim_id

-- name: number_claim
update refund_claim set inquiry_number = $2 where claim_id = $1 and state = 'asked'

-- name: settle_claim
update refund_claim
set state = $2, inquiry_number = coalesce($3, inquiry_number), account = $4, matched = $5, differing_parts = $6, reason = $7,
    settled_at = $8
where claim_id = $1 and state = 'asked'

-- name: list_claims
select claim_id, addressee_number, fiscal_year, amount, chose_receiving_account, individual_number_written, state, account, matched,
       differing_parts, inquiry_number, reason
from refund_claim
where ($1::text[] is null or claim_id = any($1::text[])) and claim_id > $2
order by claim_id limit $3

-- name: put_unemployment_inquiries
insert into unemployment_inquiry (inquiry_key, addressee_number, fiscal_year, state, inquiry, asked_at)
select r.inquiry_key, r.addressee_number, $4, 'asked', r.inquiry, $5
from unnest($1::text[], $2::text[], $3::bytea[]) as r(inquiry_key, addressee_number, inquiry)
on conflict (inquiry_key) do nothing

-- name: asked_unemployment_inquiries
select inquiry_key as key, inquiry_key as asked_under, addressee_number, inquiry, inquiry_number from unemployment_inquiry
where state = 'asked' order by asked_at, inquiry_key

-- name: number_unemployment_inquiry
update unemployment_inquiry set inquiry_number = $2 where inquiry_key = $1 and state = 'asked'

-- name: settle_unemployment_inquiry
update unemployment_inquiry
set state = $2, inquiry_number = coalesce($3, inquiry_number), benefit = $4, reason = $5, settled_at = $6
where inquiry_key = $1 and state = 'asked'

-- name: list_unemployment_inquiries
select inquiry_key, addressee_number, fiscal_year, state, benefit, inquiry_number, reason from unemployment_inquiry
where ($1::text[] is null or inquiry_key = any($1::text[])) and inquiry_key > $2
order by inquiry_key limit $3

-- name: push_secret
select sealed from push_secret

-- name: put_push_secret
insert into push_secret (sealed) values ($1) on conflict (only_row) do update set sealed = excluded.sealed

-- name: held_numbers
select addressee_number, individual_number from insured_person
where addressee_number = any($1::text[]) and individual_number is not null

-- name: carry_order
insert into carried_order (order_id, carried_at) values ($1, $2) on conflict (order_id) do nothing returning order_id

-- name: backup_made
update carried_order set backup_made_at = $2 where order_id = $1

-- name: put_restored
insert into restored (restored_at) values ($1) on conflict (only_row) do update set restored_at = excluded.restored_at

-- name: last_backup
select max(backup_made_at) from carried_order

-- Rows that are sealed under a key of the ring, by column: a page of them after a key, those under another version than $3 locked; writing; counting.
-- Rows that somebody else holds are left out of a page: the next pass finds them. Nobody waits for a page, and a page for nobody.

-- for each: name, table, key, type, sealed
-- insured_number, insured_person, addressee_number, text, individual_number
-- receipts_number, receipts_ledger, row_id, bigint, addressee_individual_number
-- arrears_number, arrears_ledger, row_id, bigint, addressee_individual_number
-- insured_personal, insured_person, addressee_number, text, personal
-- receipts_accounts, receipts_ledger, row_id, bigint, addressee_accounts
-- receipts_direct_debit, receipts_ledger, row_id, bigint, other_direct_debit
-- arrears_accounts, arrears_ledger, row_id, bigint, addressee_accounts
-- claim_account, refund_claim, claim_id, text, account
-- inquiry_benefit, unemployment_inquiry, inquiry_key, text, benefit
-- name: page_of_{name}
with page as (select {key} from {table} where {key} > $1::text::{type} order by {key} limit $2),
held as materialized (select p.* from {table} p join page using ({key}) where substring(p.{sealed} from 2 for 4) <> int4send($3) for update of p skip locked)
select (select max({key})::text from page) as last, held.{key} is not null as is_old, held.* from (select 1) as one left join held on true

-- name: write_{name}
update {table} p set {sealed} = r.sealed from unnest($1::{type}[], $2::bytea[]) as r ({key}, sealed) where p.{key} = r.{key}

-- name: count_{name}
select count(*) from {table} where (substring({sealed} from 2 for 4) = int4send($1)) = $2

-- end

-- name: page_of_push_secret
-- The one row, as a page of its own.
with held as materialized (
    select sealed from push_secret where $1 = '' and $2 > 0 and substring(sealed from 2 for 4) <> int4send($3) for update skip locked
)
select case when $1 = '' then 'only' end as last, held.sealed is not null as is_old, held.sealed from (select 1) as one left join held on true

-- name: write_push_secret
update push_secret set sealed = r.sealed from unnest($1::bytea[]) as r (sealed)

-- name: count_push_secret
select count(*) from push_secret where (substring(sealed from 2 for 4) = int4send($1)) = $2
