-- name: log_heads
-- The fiscal years of this log from one on, with their sizes.
select year, size from log_head where year >= $1 and size > 0 order by year

-- name: data_exchanged
-- Entries of one stretch of a year's log under which data left this agency or came to it, with the personal part that says whose.
select year, idx, entry_id, at, kind, body, personal from log_entry
where year = $1 and idx >= $2 and idx < $3 and at >= $4 and kind = any($5::text[]) and personal is not null
order by idx

-- name: plan_for_these_values
-- A search has a plan of its own for what it asks: conditions that it does not use fall away.
select set_config('plan_cache_mode', 'force_custom_plan', true)

-- name: search
-- The newest records that a right ($14) covers first. $1 names the condition that leads, by whose index $13 records at most are looked at; the others sift those.
-- An agency is a party of a record: the other one, or 委任元 of either side; each of the three has its index, and none finds what one before it does.
-- One row at least: `examined`, and the place of the last one looked at; `idx` is null where nothing was found.
with lead as materialized (
    select * from (
        (select * from log_record
        where ($1::text <> 'person' or subject = any($2::bytea[])) and ($1 <> 'staff' or actor = $3::text)
            and ($1 <> 'agency' or partner = $4::text) and ($1 <> 'affair' or item = $5::text)
            and ($1 <> 'outcome' or outcome = $15::text) and ($1 <> 'kind' or kind = $6::text)
            and at >= $8::timestamptz and at <= $9::timestamptz and (at, year, idx) < ($9::timestamptz, $10::integer, $11::bigint)
        order by at desc, year desc, idx desc limit $13::bigint)
        union all
        (select * from log_record where $1 = 'agency' and inquirer_for = $4 and partner <> $4
            and at >= $8 and at <= $9 and (at, year, idx) < ($9, $10, $11)
        order by at desc, year desc, idx desc limit $13)
        union all
        (select * from log_record where $1 = 'agency' and provider_for = $4 and partner <> $4 and inquirer_for is distinct from $4
            and at >= $8 and at <= $9 and (at, year, idx) < ($9, $10, $11)
        order by at desc, year desc, idx desc limit $13)
    ) as led order by at desc, year desc, idx desc limit $13
), found as (
    select * from lead
    where ($2::bytea[] is null or subject = any($2)) and ($3 is null or actor = $3) and ($4 is null or $4 in (partner, inquirer_for, provider_for))
        and ($5 is null or item = $5) and ($6 is null or kind = $6) and ($7::text is null or information = $7) and ($15 is null or outcome = $15)
        and array['*/*', '*/' || information, item || '/*', item || '/' || information] && $14::text[]
    order by at desc, year desc, idx desc limit $12::bigint
)
select examined.*, last.*, found.year, found.idx, found.at as found_at, found.kind as found_kind, found.partner, found.item, found.information,
    found.actor, found.subject, found.inquirer_for, found.provider_for, found.outcome,
    e.entry_id, e.at, e.kind, e.inquiry_number, e.body, e.leaf, e.personal
from (select count(*) as examined from lead) as examined
left join (select at as last_at, year as last_year, idx as last_idx from lead order by at, year, idx limit 1) as last on true
left join found on true
left join log_entry e on e.year = found.year and e.idx = found.idx
order by found.at desc, found.year desc, found.idx desc

-- name: entry
select year, idx, entry_id, at, kind, inquiry_number, body, leaf, personal from log_entry where entry_id = $1

-- name: found_by
-- The row by which an entry of this time and place is found; and whether rows of its stretch of the log are still to be made.
select r.at as found_at, r.kind as found_kind, r.partner, r.item, r.information, r.actor, r.subject, r.inquirer_for, r.provider_for, r.outcome,
    exists (select from record_indexing i where i.year = $2 and i.upto > $3) as waits
from (values (1)) as always (one) left join log_record r on r.at = $1 and r.year = $2 and r.idx = $3

-- name: of_person
-- Every record about a person, in the order of time.
select e.year, e.idx, e.entry_id, e.at, e.kind, e.body, e.leaf, e.personal
from log_record r join log_entry e on e.year = r.year and e.idx = r.idx
where r.subject = any($1::bytea[]) and r.at >= $2 and r.at < $3
order by r.at, r.year, r.idx

-- name: said_of_inquiries
select inquiry_number, body from log_entry where inquiry_number = any($1::text[]) and body is not null

-- name: corrections
select correction_id, entry_id, field, value, reason, content_hash, state, proposed_at, proposed_by, decided_at, decided_by
from record_correction where entry_id = any($1::text[]) order by proposed_at, correction_id

-- name: unindexed
select year, upto from record_indexing order by year limit 1

-- name: entries_below
select idx, entry_id, at, kind, body, personal from log_entry where year = $1 and idx >= $2 and idx < $3 order by idx

-- name: index_records
insert into log_record (year, idx, at, kind, partner, item, information, actor, subject, inquirer_for, provider_for, outcome)
select $1, r.* from unnest($2::bigint[], $3::timestamptz[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::bytea[],
    $10::text[], $11::text[], $12::text[]) as r (idx, at, kind, partner, item, information, actor, subject, inquirer_for, provider_for, outcome)

-- name: indexed_down_to
update record_indexing set upto = $2 where year = $1

-- name: indexed
delete from record_indexing where year = $1

-- name: certificate_of
select certificate from erasure where key_purpose = $1 and state <> 'begun'
