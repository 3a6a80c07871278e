-- name: ask_destruction
insert into key_destruction (destruction_id, server, purpose, version, cause, content_hash, state, asked_by, asked_card, asked_at)
select r.destruction_id, r.server, r.purpose, r.version, r.cause, r.content_hash, 'asked', r.asked_by, r.asked_card, r.asked_at
from unnest($1::text[], $2::text[], $3::text[], $4::integer[], $5::text[], $6::text[], $7::text[], $8::text[], $9::timestamptz[])
    as r (destruction_id, server, purpose, version, cause, content_hash, asked_by, asked_card, asked_at)
on conflict do nothing
returning destruction_id

-- name: decide_destruction
update key_destruction k set state = r.state, decided_by = r.decided_by, decided_card = r.decided_card, decided_at = r.decided_at
from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::timestamptz[])
    as r (destruction_id, content_hash, state, decided_by, decided_card, decided_at)
where k.destruction_id = r.destruction_id and k.content_hash = r.content_hash and k.state = 'asked'
returning k.destruction_id

-- name: destruction
select destruction_id, server, purpose, version, cause, content_hash, state, asked_by, asked_card, asked_at, decided_by, decided_card, decided_at
from key_destruction where destruction_id = $1

-- name: destructions
select destruction_id, server, purpose, version, cause, content_hash, state, asked_by, asked_card, asked_at, decided_by, decided_card, decided_at
from key_destruction order by asked_at desc limit 1000
