-- name: put_subject
insert into access_subject (entry_id, subject)
select r.entry_id, r.subject from unnest($1::text[], $2::bytea[]) as r (entry_id, subject)
returning entry_id

-- name: numbers_of
with recursive one (integrated_number) as (
    select integrated_number from person where integrated_number = $1
    union
    select p.integrated_number from person p join one on p.merged_into = one.integrated_number
)
select integrated_number from one

-- name: looks
select e.entry_id, e.body, e.personal, e.year, e.idx, array_agg(s.subject) as subjects
from access_subject s join log_entry e using (entry_id)
where s.subject = any($1::bytea[]) and s.entry_id < $2
group by e.entry_id, e.body, e.personal, e.year, e.idx
order by e.entry_id desc limit $3

-- name: addressee
select integrated_number from addressee where business_system_id = $1 and addressee_number = $2

-- name: looks_between
-- Oldest first; of more than are wanted the newest.
select e.body, array(select encode(s.subject, 'hex') from access_subject s where s.entry_id = e.entry_id) as subjects
from (
    select entry_id, body, at from log_entry
    where kind in ('persons.seen', 'access.refused') and body is not null and at >= $1 and at < $2 order by at desc limit $3
) as e order by e.at
