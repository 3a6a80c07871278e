-- name: put_refusal
insert into desk_refusal (message_id, inquiry_number, reason)
select r.message_id, r.inquiry_number, r.reason from unnest($1::text[], $2::text[], $3::text[]) as r (message_id, inquiry_number, reason)
on conflict (message_id) do nothing returning message_id

-- name: refusal
select inquiry_number, reason from desk_refusal where message_id = $1
