-- name: open_file
insert into inquiry_file (business_system_id, sha256, name, form, encoding, lines, taken_at, named_under)
values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict (business_system_id, sha256) do nothing

-- name: file
select file_id, business_system_id, sha256, name, form, encoding, lines, state, taken_at, asked_at, finished_at, supplements, supplements_written,
    supplement_at, named_under, stopped_because
from inquiry_file where business_system_id = $1 and sha256 = $2

-- name: name_in_use
-- Whether another file of the system bears the name and has supplements to bring under it.
with others as materialized (
    select file_id, supplements_written < supplements as has_unwritten from inquiry_file
    where business_system_id = $1 and name = $2 and sha256 <> $3 and state = 'finished'
)
select exists (select from others where has_unwritten) or exists (
    select from others join inquiry_file_line l using (file_id) where l.is_open or (l.left_as is not null and l.part is null))

-- name: go_on
-- A file that is still to be asked goes by the name under which it came last.
update inquiry_file set name = $2, stopped_because = null where file_id = $1 and state = 'asking'

-- name: stop_file
update inquiry_file f set stopped_because = $3 where business_system_id = $1 and sha256 = $2 and state = 'asking'
returning (select count(*) from inquiry_file_line l where l.file_id = f.file_id) as lines_done

-- name: lines_taken
select line from inquiry_file_line where file_id = $1

-- name: put_lines
insert into inquiry_file_line (file_id, line, class, is_open, inquiry_number, sealed)
select $1, r.* from unnest($2::int[], $3::text[], $4::boolean[], $5::text[], $6::bytea[]) as r (line, class, is_open, inquiry_number, sealed)
on conflict (file_id, line) do update
set class = excluded.class, is_open = excluded.is_open, inquiry_number = excluded.inquiry_number, sealed = excluded.sealed
where inquiry_file_line.is_open and (inquiry_file_line.class <> excluded.class or not excluded.is_open)

-- name: all_asked
update inquiry_file set asked_at = $2 where file_id = $1 and asked_at is null

-- name: open_lines
select line, inquiry_number, class, sealed from inquiry_file_line where file_id = $1 and is_open order by line limit $2 offset $3

-- name: count_open
select count(*) from inquiry_file_line where file_id = $1 and is_open

-- name: count_waiting
-- Those of a file that was given back are looked up when it comes again.
select count(*) from inquiry_file_line l join inquiry_file f using (file_id) where l.is_open and l.class = 'waiting' and f.stopped_because is null

-- name: finish_file
with finished as (
    update inquiry_file set state = 'finished', finished_at = $2 where file_id = $1 and state = 'asking' returning file_id
)
update inquiry_file_line set left_as = class from finished where inquiry_file_line.file_id = finished.file_id and is_open

-- name: lines_of
select line, class, left_as, inquiry_number, sealed from inquiry_file_line where file_id = $1 and line > $2 order by line limit $3

-- name: lines_of_part
select line, class, null as left_as, inquiry_number, sealed from inquiry_file_line where file_id = $1 and part = $2 order by line

-- name: not_settled
select file_id, business_system_id, sha256, name, form, encoding, lines, state, taken_at, asked_at, finished_at, supplements, supplements_written,
    supplement_at, named_under
from inquiry_file where state = 'finished' order by file_id

-- name: new_supplement
with arrived as (
    update inquiry_file_line set part = $2 where file_id = $1 and left_as is not null and not is_open and part is null returning line
), counted as (select count(*) as lines from arrived)
update inquiry_file set supplements = $2, supplement_at = $3 from counted
where inquiry_file.file_id = $1 and inquiry_file.supplements = $2 - 1 and counted.lines > 0
returning inquiry_file.file_id

-- name: count_arrived
select count(*) from inquiry_file_line where file_id = $1 and left_as is not null and not is_open and part is null

-- name: supplement_written
update inquiry_file set supplements_written = $2 where file_id = $1 and supplements_written = $2 - 1

-- name: settle_file
update inquiry_file set state = 'settled' where file_id = $1 and state = 'finished' and supplements_written = supplements
    and not exists (select 1 from inquiry_file_line where file_id = $1 and (is_open or (left_as is not null and part is null)))

-- name: past_keeping
select file_id from inquiry_file
where state = 'settled' and finished_at <= $1 and coalesce(supplement_at, finished_at) <= $1 limit 20

-- name: forget_file
with forgotten as (
    update inquiry_file set state = 'forgotten' where file_id = $1 and state = 'settled' returning file_id
)
update inquiry_file_line set sealed = null from forgotten where inquiry_file_line.file_id = forgotten.file_id

-- name: to_tell
select file_id, name, told, supplements_written from inquiry_file
where business_system_id = $1 and state <> 'asking' and finished_at >= $2 and told <= supplements_written order by file_id limit 100

-- name: told
update inquiry_file set told = $3 where file_id = $1 and told = $2 returning file_id

-- name: find_people
select r.line, a.addressee_number, a.state, a.integrated_number, p.frozen or p.merged_into is not null as is_frozen
from unnest($2::int[], $3::text[]) as r (line, addressee_number)
join addressee a on a.business_system_id = $1 and a.addressee_number = r.addressee_number
join person p using (integrated_number)

-- name: current_numbers
-- The numbers that people have; of several, one that has taken another's place.
select distinct on (a.integrated_number) a.integrated_number, a.addressee_number from addressee a
where a.business_system_id = $1 and a.integrated_number = any($2::bigint[]) and a.state = 'held'
order by a.integrated_number, not exists (select from addressee e
    where e.business_system_id = $1 and e.integrated_number = a.integrated_number and e.replaced_by = a.addressee_number), a.addressee_number

-- name: files_of
select f.name, f.lines, case when f.stopped_because is null then f.state else 'stopped' end as state, f.stopped_because, f.taken_at, f.asked_at, f.finished_at, f.supplements_written,
    coalesce((select jsonb_object_agg(c.class, c.lines) from (
        select l.class, count(*) as lines from inquiry_file_line l where l.file_id = f.file_id group by l.class) c), '{}') as classes,
    (select count(*) from inquiry_file_line l where l.file_id = f.file_id and l.is_open) as is_open
from inquiry_file f where f.business_system_id = $1 order by f.file_id desc limit $2

-- name: files_since
select f.file_id, f.business_system_id, f.state, f.lines, f.taken_at, f.finished_at, f.stopped_because,
    coalesce((select jsonb_object_agg(c.class, c.lines) from (
        select l.class, count(*) as lines from inquiry_file_line l where l.file_id = f.file_id group by l.class) c), '{}') as classes,
    (select count(*) from inquiry_file_line l where l.file_id = f.file_id and l.is_open) as is_open
from inquiry_file f where f.taken_at >= $1 order by f.taken_at desc, f.file_id desc limit $2

-- name: left_to_ask
-- Lines of files under way that were not asked yet, and lines of all files that wait for an answer.
select (select coalesce(sum(f.lines - (select count(*) from inquiry_file_line l where l.file_id = f.file_id)), 0)::bigint
        from inquiry_file f where f.state = 'asking' and f.stopped_because is null) as not_asked,
    (select count(*) from inquiry_file_line l join inquiry_file f using (file_id) where l.is_open and f.stopped_because is null) as waiting
