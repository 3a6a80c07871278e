-- name: years_due
-- Years whose last record is seven years old, with bodies or rows left; none when last year ($1 + 7) has no log: then it is the clock that has jumped.
select h.year, h.origin, h.size, h.note from log_head h left join log_pruned p using (year)
where h.year <= $1 and h.size > 0 and exists (select from log_head l where l.year = $1 + 7 and l.size > 0)
    and (h.size > coalesce(p.upto, 0) or exists (select from erasure e where e.key_purpose = 'personal/' || h.year and e.state = 'begun'))
order by h.year

-- name: log_of
select origin, size, note from log_head where year = $1

-- name: begin_erasure
insert into erasure (key_purpose, kind, rule, state, key_versions, begun_at)
select r.key_purpose, r.kind, r.rule, 'begun', r.key_versions, r.begun_at
from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::timestamptz[]) as r (key_purpose, kind, rule, key_versions, begun_at)
on conflict do nothing returning key_purpose

-- name: note_versions
-- The key's versions, before it is destroyed; the row is there already when results went before their key.
insert into erasure as held (key_purpose, kind, rule, state, key_versions, begun_at) values ($1, 'results', $2, 'begun', $3, $4)
on conflict (key_purpose) do update set key_versions = excluded.key_versions where held.state = 'begun' and held.key_versions = ''

-- name: count_erased
update erasure set erased = erased + $2, sealed = sealed + $3, rows_deleted = rows_deleted + $4 where key_purpose = $1 and state = 'begun'

-- name: forget_approvals
-- Ids begin with their time, so what is older than a year's end is what sorts before the first id of that moment.
delete from held_approval where permit_id in (select permit_id from provision where permit_id < $1 order by permit_id limit $2)

-- name: forget_provisions
delete from provision where permit_id in (select permit_id from provision where permit_id < $1 order by permit_id limit $2)

-- name: forget_inquiries
delete from inquiry where inquiry_number in (select inquiry_number from inquiry where inquiry_number < $1 order by inquiry_number limit $2)

-- name: begun
-- Erasures that can be certified; of what goes day by day those of days that are over, before $1.
select * from erasure where state = 'begun' and (kind in ('results', 'records') or split_part(key_purpose, '/', 2) < $1) order by begun_at limit 200

-- name: certify_erasure
update erasure set state = 'certified', certified_at = r.certified_at, certificate = r.certificate, key_file = r.key_file, content_hash = r.content_hash
from unnest($1::text[], $2::timestamptz[], $3::text[], $4::text[], $5::text[]) as r (key_purpose, certified_at, certificate, key_file, content_hash)
where erasure.key_purpose = r.key_purpose and erasure.state = 'begun' returning erasure.key_purpose

-- name: erasures
-- A page of certificates, the newest first; $2: the last one of the page before.
select * from erasure where state <> 'begun' and ($1::text is null or state = $1)
    and ($2::text is null or (certified_at, key_purpose) < (select e.certified_at, e.key_purpose from erasure e where e.key_purpose = $2))
order by certified_at desc, key_purpose desc limit $3

-- name: erasures_unconfirmed
select * from erasure where state = 'certified' and content_hash = any($1::text[])

-- name: left_of_year
-- Whether bodies of a year are there (again), or rows of inquiries ($2: the first number after it) and provisions ($3).
select exists (select from log_entry where year = $1 and body is not null) or exists (select from inquiry where inquiry_number < $2)
    or exists (select from provision where permit_id < $3)

-- name: confirm_erasure
update erasure set state = 'confirmed', confirmed_at = r.confirmed_at, confirmed_by = r.confirmed_by, confirmed_card = r.confirmed_card
from unnest($1::text[], $2::text[], $3::timestamptz[], $4::text[], $5::text[]) as r (key_purpose, content_hash, confirmed_at, confirmed_by, confirmed_card)
where erasure.key_purpose = r.key_purpose and erasure.content_hash = r.content_hash and erasure.state = 'certified' returning erasure.key_purpose

-- name: forget_person_keys
-- Of the next $3 people after $2, the keys of those who have no copy any more, and the last one looked at; null when there is none.
-- A copy that comes meanwhile keeps its key (replica refers to it).
with page as (select integrated_number from person_key where integrated_number > $2 order by integrated_number limit $3),
gone as (
    delete from person_key k using page where k.integrated_number = page.integrated_number
        and not exists (select from replica r where r.integrated_number = k.integrated_number)
    returning 1
),
counted as (update erasure set rows_deleted = rows_deleted + (select count(*) from gone) where key_purpose = $1 and state = 'begun')
select max(integrated_number) from page

-- name: left_of_copies
-- Whether a copy is there whose last public day was before this one.
select exists (select from replica where public_to < $1)

-- name: withdrawn_there
-- Of the next $2 copies that were withdrawn after $1: the last one looked at, null when there is none, and whether one of them is there (again).
with page as (select record_id, revision from replica_withdrawn where record_id > $1 order by record_id limit $2)
select max(record_id) as last, exists (select from page join replica r using (record_id) where r.revision <= page.revision) as there from page

-- name: erase_ended
-- What was over before $1: lifted bars, ends of codes, relations of staff who have left, that copies were withdrawn; at most $5 of each, and
-- noted under the day $2 in one statement. That a copy of somebody was withdrawn at whom a bar stands is kept for so long again ($4), and waits while
-- their bar may lie under another version of the key: the bar still has to follow the copy. A day that is certified takes nothing any more: what is over
-- waits for the next one, after a clock was set back.
with closed as materialized (
    select kind from erasure where key_purpose = any(array['bars/' || $2::text, 'codes/' || $2::text, 'relations/' || $2::text, 'withdrawals/' || $2::text])
        and state <> 'begun'
), bars as (
    delete from bar where bar_id in (select bar_id from bar where state = 'lifted' and changed_at < $1 and 'bars' not in (select kind from closed) limit $5) returning 1
), codes as (
    delete from former_code where acquisition_index in (select acquisition_index from former_code where ended_at < $1 and 'codes' not in (select kind from closed) limit $5)
    returning 1
), relations as (
    delete from staff_relation where (staff_id, relation, person_index) in (
        select r.staff_id, r.relation, r.person_index from staff_relation r join staff_member m using (staff_id)
        where m.state = 'left' and m.left_at < $1 and 'relations' not in (select kind from closed) limit $5
    ) returning 1
), withdrawn as materialized (
    select record_id, exists (select from bar b where b.person_index = w.person_index and b.state <> 'lifted') as barred,
        substring(number_sealed from 2 for 4) <> any(array(select distinct substring(b.number_sealed from 2 for 4) from bar b where b.state <> 'lifted' and b.number_sealed is not null))
            as waits
    from replica_withdrawn w where withdrawn_at < $1 and 'withdrawals' not in (select kind from closed) limit $5
), kept as (
    update replica_withdrawn w set withdrawn_at = $4 from withdrawn d where w.record_id = d.record_id and d.barred
), withdrawals as (
    delete from replica_withdrawn w using withdrawn d where w.record_id = d.record_id and not d.barred and d.waits is not true returning 1
), gone (kind, erased) as (
    select 'bars', count(*) from bars union all select 'codes', count(*) from codes union all select 'relations', count(*) from relations
    union all select 'withdrawals', count(*) from withdrawals
)
insert into erasure as held (key_purpose, kind, rule, state, erased, begun_at)
select kind || '/' || $2::text, kind, $3::text, 'begun', erased, $4::timestamptz from gone where erased > 0
on conflict (key_purpose) do update set erased = held.erased + excluded.erased where held.state = 'begun'
returning kind, erased

-- name: left_of_ended
-- Whether something of a kind is there that was over before an instant; also of somebody who left, nobody knows when.
select case $1::text
    when 'bars' then exists (select from bar where state = 'lifted' and changed_at < $2)
    when 'codes' then exists (select from former_code where ended_at < $2)
    when 'withdrawals' then exists (select from replica_withdrawn where withdrawn_at < $2)
    else exists (
        select from staff_relation r join staff_member m using (staff_id) where m.state = 'left' and coalesce(m.left_at, '-infinity') < $2)
end

-- name: erasure
select * from erasure where key_purpose = $1
