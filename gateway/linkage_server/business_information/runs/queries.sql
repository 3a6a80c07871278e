-- name: open_run
insert into business_run (run_id, request_key, kind, business_system_id, wanted, after, started_at) values ($1, $2, $3, $4, $5, $6, $7)
on conflict (request_key) do nothing

-- name: run_by_request
select * from business_run where request_key = $1

-- name: run_by_id
select * from business_run where run_id = $1

-- name: runs_of
select * from business_run where business_system_id = $1 order by started_at desc, run_id desc limit $2

-- name: runs_since
select * from business_run where started_at >= $1 order by started_at desc, run_id desc limit $2

-- name: forget_runs
-- Runs past their time, with their reports.
with parts as (
    delete from business_run_part where run_id in (select run_id from business_run where state = 'done' and finished_at < $1)
)
delete from business_run where state = 'done' and finished_at < $1

-- name: next_run
select * from business_run where state = 'running' order by started_at, run_id limit 1

-- name: advance_run
update business_run set after = $3, parts = parts + 1, counts = $4 where run_id = $1 and parts = $2 and state = 'running' returning run_id

-- name: put_part
insert into business_run_part (run_id, part, packed) values ($1, $2, $3)

-- name: close_run
update business_run set state = 'done', finished_at = $2 where run_id = $1 and state = 'running'

-- name: parts
select part, packed from business_run_part where run_id = $1 and part > $2 order by part limit $3

-- name: page_to_transfer
-- Not those whose last public day is over ($8: today): a copy of one is erased over there.
select record_id from original
where record_id > $1 and record_id < $2 and ($3 = '' or information = $3) and ($4 = '' or data_set = $4) and ($5 = '' or layout_version = $5)
    and ($6::timestamptz is null or changed_at >= $6) and ($7::timestamptz is null or changed_at < $7) and (offered or not deleted)
    and (public_to is null or public_to >= $8)
order by record_id limit $9

-- name: count_to_transfer
select count(*) from original
where record_id > $1 and record_id < $2 and ($3 = '' or information = $3) and ($4 = '' or data_set = $4) and ($5 = '' or layout_version = $5)
    and ($6::timestamptz is null or changed_at >= $6) and ($7::timestamptz is null or changed_at < $7) and (offered or not deleted)
    and (public_to is null or public_to >= $8)

-- name: page_to_compare
select * from original where record_id > $1 and record_id < $2 order by record_id limit $3

-- name: originals_by_id
select * from original where record_id = any($1::text[]) order by record_id

-- name: repair
with locked as (select record_id from original where record_id = any($1::text[]) order by record_id for update)
update original o set
    revision = greatest(nextval('original_revision'), r.above + 1), transfer = 'due', reason = null, item = null,
    offered = o.offered or r.replica_number is not null, replica_number = coalesce(r.replica_number, o.replica_number)
from unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[]) as r (record_id, revision, above, replica_number)
where o.record_id = r.record_id and o.revision = r.revision and o.record_id in (select record_id from locked)
returning o.record_id

-- name: has_records
select exists (
    select from first_transfer
    where business_system_id = $1 and ($2 = '' or information = $2) and ($3 = '' or data_set = $3) and ($4 = '' or layout_version = $4))

-- name: open_withdrawal
insert into business_run (run_id, request_key, kind, business_system_id, wanted, after, started_at)
select r.run_id, r.request_key, r.kind, r.business_system_id, r.wanted::jsonb, r.after, r.started_at
from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::timestamptz[])
    as r (run_id, request_key, kind, business_system_id, wanted, after, started_at)
on conflict do nothing returning run_id

-- name: page_to_withdraw
select * from original where record_id > $1 and record_id < $2 and not deleted order by record_id limit $3 for update

-- name: left_behind
-- Of these systems: records that live, and copies that are known of.
select business_system_id, count(*) filter (where not deleted) as records, count(replica_number) as copies, max(changed_at) as last_changed_at
from original where business_system_id = any($1::text[]) group by business_system_id

-- name: systems
-- Business systems with a client or an original here.
select business_system_id from oauth_client where state <> 'removed' union select business_system_id from original order by 1
