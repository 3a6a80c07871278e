-- name: codes_for
select integrated_number, code_sealed from person_code where integrated_number = any($1::text[]) and bound_at is not null

-- name: before_registering
select integrated_number as key, code_sealed as sealed, null as inquiry_number
from person_code where integrated_number = any($1::text[]) and bound_at is not null
union all
select message_id, message_digest, inquiry_number from inquiry where message_id = any($2::text[])

-- name: register_inquiry
insert into inquiry (message_id, message_digest, inquiry_number, system, actor, purpose, integrated_number, provider, basis, item, information, items,
    state, reason, list_digest, request, signature, public_key, private_sealed, key_purpose, registered_at, answer_by, result_until, due_at)
select r.* from unnest($1::text[], $2::bytea[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[],
    $11::text[], $12::text[], $13::text[], $14::text[], $15::text[], $16::bytea[], $17::bytea[], $18::bytea[], $19::bytea[], $20::text[],
    $21::timestamptz[], $22::timestamptz[], $23::timestamptz[], $24::timestamptz[])
    as r (message_id, message_digest, inquiry_number, system, actor, purpose, integrated_number, provider, basis, item, information, items,
    state, reason, list_digest, request, signature, public_key, private_sealed, key_purpose, registered_at, answer_by, result_until, due_at)
on conflict do nothing
returning message_id

-- name: permit_inquiry
update inquiry set state = 'permitted', permit = r.permit, permit_id = r.permit_id
from unnest($1::text[], $2::text[], $3::text[]) as r (inquiry_number, permit, permit_id)
where inquiry.inquiry_number = r.inquiry_number and inquiry.state = 'registered'
returning inquiry.inquiry_number

-- name: hold_inquiry
update inquiry set state = 'held', due_at = r.due_at
from unnest($1::text[], $2::timestamptz[]) as r (inquiry_number, due_at)
where inquiry.inquiry_number = r.inquiry_number and inquiry.state = 'permitted'
returning inquiry.inquiry_number

-- name: end_inquiry
update inquiry set state = r.state, reason = r.reason, outcome = r.outcome, sealed_digest = r.sealed_digest, result_sealed = r.result_sealed,
    private_sealed = null, due_at = null
from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bytea[])
    as r (inquiry_number, from_state, state, reason, outcome, sealed_digest, result_sealed)
where inquiry.inquiry_number = r.inquiry_number and inquiry.state = r.from_state
returning inquiry.inquiry_number

-- name: inquiries
select * from inquiry where inquiry_number = any($1::text[])

-- name: by_permit
select * from inquiry where permit_id = any($1::text[])

-- name: due
select * from inquiry where due_at <= $1 order by due_at limit 500

-- name: postpone
update inquiry set due_at = r.due_at from unnest($1::text[], $2::timestamptz[]) as r (inquiry_number, due_at)
where inquiry.inquiry_number = r.inquiry_number and inquiry.due_at is not null returning inquiry.inquiry_number

-- name: expire_results
update inquiry set result_sealed = null where result_until <= $1 and result_sealed is not null returning inquiry_number

-- name: sealed_under
select distinct key_purpose from inquiry where private_sealed is not null or result_sealed is not null
