-- name: provisions_before
select permit_id, inquirer, inquiry_number, exchange_digest, state, outcome, signature, sealed from provision where inquiry_number = any($1::text[])

-- name: record_provision
insert into provision (permit_id, inquiry_number, inquirer, basis, item, information, items, list_digest, state, exchange_digest, permit, request,
    public_key, integrated_number, content_digest, ground, outcome, signature, sealed, received_at, answer_by)
select r.* from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::bytea[], $11::text[],
    $12::bytea[], $13::bytea[], $14::text[], $15::text[], $16::text[], $17::bytea[], $18::bytea[], $19::bytea[], $20::timestamptz[], $21::timestamptz[])
    as r (permit_id, inquiry_number, inquirer, basis, item, information, items, list_digest, state, exchange_digest, permit, request,
    public_key, integrated_number, content_digest, ground, outcome, signature, sealed, received_at, answer_by)
on conflict do nothing
returning permit_id

-- name: decide_held
update provision set state = r.state, outcome = r.outcome, signature = r.signature, sealed = r.sealed, push_at = r.push_at
from unnest($1::text[], $2::text[], $3::bytea[], $4::bytea[], $5::bytea[], $6::timestamptz[]) as r (permit_id, state, outcome, signature, sealed, push_at)
where provision.permit_id = r.permit_id and provision.state = 'held'
returning provision.permit_id

-- name: held
select permit_id, inquiry_number, inquirer, basis, item, information, items, ground, content_digest, integrated_number, permit, request, public_key, exchange_digest,
    list_digest, received_at, answer_by
from provision where state = 'held' order by received_at limit 2000

-- name: held_one
select permit_id, inquiry_number, inquirer, basis, item, information, items, ground, content_digest, integrated_number, permit, request, public_key, exchange_digest,
    list_digest, received_at, answer_by
from provision where permit_id = $1 and state = 'held'

-- name: held_count
select count(*) from provision where state = 'held'

-- name: overdue
select permit_id, inquiry_number, inquirer, basis, item, information, items, ground, content_digest, integrated_number, permit, request, public_key, exchange_digest,
    list_digest, received_at, answer_by
from provision where state = 'held' and answer_by < $1 limit 200

-- name: to_push
select permit_id, outcome, signature, sealed, answer_by from provision where push_at <= $1 order by push_at limit 200

-- name: pushed
update provision set push_at = null from unnest($1::text[]) as r (permit_id) where provision.permit_id = r.permit_id returning provision.permit_id

-- name: push_later
update provision set push_at = r.push_at from unnest($1::text[], $2::timestamptz[]) as r (permit_id, push_at)
where provision.permit_id = r.permit_id and provision.push_at is not null returning provision.permit_id
