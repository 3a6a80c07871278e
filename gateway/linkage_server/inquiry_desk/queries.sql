-- name: put_refusal
insert into desk_refusal (message_id, inquiry_number, reason, asked)
select r.message_id, r.inquiry_number, r.reason, r.asked
from unnest($1::text[], $2::text[], $3::text[], $4::bytea[]) as r (message_id, inquiry_number, reason, asked)
on conflict (message_id) do nothing returning message_id

-- name: refusals
select message_id, inquiry_number, reason, asked from desk_refusal where message_id = any($1::text[])
