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
update refund_claim set state = 'asked', asked_at = $3, inquiry = r.inquiry
from unnest($1::text[], $2::bytea[]) as r(claim_id, inquiry)
where refund_claim.claim_id = r.claim_id and refund_claim.state = 'claimed'

-- name: asked_claims
select claim_id as key, addressee_number, inquiry, inquiry_number from refund_claim
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
select inquiry_key as key, addressee_number, inquiry, inquiry_number from unemployment_inquiry
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
