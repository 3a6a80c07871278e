-- name: codes_for
select integrated_number, code_sealed from person_code where integrated_number = any($1::text[]) and bound_at is not null

-- name: before_registering
-- Codes of people (kind 'person') and what stands under a message id already ('message').
select * from across.look('before_registering', $1::text[], $2::text[], $3::text[])
as r (tenant text, kind text, key text, sealed bytea, inquiry_number text)

-- name: register_inquiry
select register_inquiry($1::text[], $2::bytea[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[], $11::text[], $12::text[], $13::text[], $14::text[], $15::bytea[], $16::bytea[], $17::bytea[], $18::bytea[], $19::text[], $20::timestamptz[], $21::timestamptz[], $22::timestamptz[], $23::timestamptz[])

-- name: permit_inquiry
update inquiry set state = 'permitted', permit = r.permit, permit_id = r.permit_id
from unnest($1::text[], $2::text[], $3::text[]) as r (inquiry_number, permit, permit_id)
where inquiry.inquiry_number = r.inquiry_number and inquiry.state = 'registered'
returning inquiry.inquiry_number

-- name: mark_inquiry
-- That it is marked as 不開示 is said once, however often it comes at once.
update inquiry i set state = i.state from unnest($1::text[]) as r (inquiry_number)
where i.inquiry_number = r.inquiry_number
    and not exists (select from log_entry e where e.inquiry_number = i.inquiry_number and e.kind = 'inquiry.marked')
returning i.inquiry_number

-- name: hold_inquiry
update inquiry set state = 'held', permit = r.permit, permit_id = r.permit_id, due_at = r.due_at
from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::timestamptz[]) as r (inquiry_number, from_state, permit, permit_id, due_at)
where inquiry.inquiry_number = r.inquiry_number and inquiry.state = r.from_state
returning inquiry.inquiry_number

-- name: end_inquiry
select end_inquiry($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::bytea[])

-- name: inquiries
select * from inquiry where inquiry_number = any($1::text[])

-- name: by_permit
-- The second: inquiries that have no permit in our records yet. `code_was_anothers`: its person's code has ended since for one of $3.
select *, code_ended_since(integrated_number, registered_at, $3::text[]) as code_was_anothers from inquiry
where permit_id = any($1::text[]) or inquiry_number = any($2::text[]) and permit_id is null and state = 'registered'

-- name: due
-- `code_was_anothers`: its person's code has ended since for one of $2.
select *, code_ended_since(integrated_number, registered_at, $2::text[]) as code_was_anothers from inquiry where due_at <= $1 order by due_at limit 500

-- name: postpone
update inquiry set due_at = r.due_at from unnest($1::text[], $2::timestamptz[]) as r (inquiry_number, due_at)
where inquiry.inquiry_number = r.inquiry_number and inquiry.due_at is not null returning inquiry.inquiry_number

-- name: expire_results
-- Results whose time has come go, $3 at most, and are counted where their erasure is certified, in one statement; how many went.
with over as (select inquiry_number from inquiry where result_until <= $1 and result_sealed is not null order by result_until limit $3),
gone as (update inquiry i set result_sealed = null from over where i.inquiry_number = over.inquiry_number returning i.key_purpose),
noted as (
    insert into erasure as held (key_purpose, kind, rule, state, erased, begun_at)
    select key_purpose, 'results', $2::text, 'begun', count(*), $1 from gone group by key_purpose
    on conflict (key_purpose) do update set erased = held.erased + excluded.erased where held.state = 'begun'
)
select count(*) from gone

-- name: left_under
select exists (select from inquiry where key_purpose = $1 and (private_sealed is not null or result_sealed is not null))

-- name: sealed_under
select distinct key_purpose from inquiry where private_sealed is not null or result_sealed is not null

-- name: endings
-- Ends of one system's inquiries in one stretch of a year's log.
select e.kind, e.at, i.inquiry_number, i.message_id from log_entry e join inquiry i using (inquiry_number)
where e.year = $1 and e.idx >= $2 and e.idx < $3 and e.kind = any($4::text[]) and i.system = $5 order by e.idx
