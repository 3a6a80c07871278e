-- name: tables
-- Every table of this schema with its columns, those that others refer to first: a restore fills them in this order. Entries need their year's head.
with recursive own as (
    select c.oid, c.relname::text as name,
        (select array_agg(a.attname::text order by a.attnum) from pg_catalog.pg_attribute a
            where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = '') as columns
    from pg_catalog.pg_class c where c.relnamespace = current_schema()::regnamespace and c.relkind = 'r'
), refers as (
    select distinct f.conrelid as child, f.confrelid as parent from pg_catalog.pg_constraint f
    where f.contype = 'f' and f.conrelid <> f.confrelid and f.connamespace = current_schema()::regnamespace
), depth as (
    select oid, 0 as level from own
    union
    select r.child, d.level + 1 from depth d join refers r on r.parent = d.oid where d.level < 50
)
select own.name, own.columns from own join depth d using (oid) group by own.name, own.columns order by max(d.level), own.name <> 'log_head', own.name

-- name: is_empty
select format('select not exists (select from %I)', $1::text)

-- name: migrations
select name, sha256 from migration order by name

-- name: empty_table
select format('delete from %I', $1::text)

-- name: keys_of
select format('select %I from %I', $2::text, $1::text)

-- name: restart_sequences
-- Beyond everything that they can have given before: a microsecond for each value since 1970.
select setval(format('%I.%I', schemaname, sequencename)::regclass, greatest(coalesce(last_value, 0), $1::bigint))
from pg_catalog.pg_sequences where schemaname = current_schema()

-- name: newest_head
select year, origin, size from log_head order by year desc limit 1

-- name: next_origin
update log_head set origin = $2 where year = $1

-- name: log_opened_anew
insert into log_opened_anew (times, opened_at, opened_by, backup_id, year, size) values ($1, $2, $3, $4, $5, $6)

-- name: openings
-- Every time that this log was opened anew.
select times, opened_at, opened_by, backup_id, year, size, recorded from log_opened_anew order by times

-- name: record_opening
update log_opened_anew set recorded = true from unnest($1::text[]) as r (times)
where log_opened_anew.times = r.times::integer and not recorded returning log_opened_anew.times::text

-- name: has_openings
select to_regclass(format('%I.log_opened_anew', current_schema())) is not null
