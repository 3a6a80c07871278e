-- name: carry_order
insert into carried_order (order_id, carried_at) select * from unnest($1::text[], $2::timestamptz[]) on conflict do nothing returning order_id

-- name: open_backup
insert into backup_run (backup_id, started_at) select * from unnest($1::text[], $2::timestamptz[]) on conflict do nothing returning backup_id

-- name: advance_backup
update backup_run set done = $2, total = $3, counts = $4 where backup_id = $1 and finished_at is null

-- name: end_backup
update backup_run set finished_at = $2, reason = $3 where backup_id = $1 and finished_at is null

-- name: interrupt_backups
-- Nobody works on what an earlier process began.
update backup_run set finished_at = $1, reason = 'server_stopped' where finished_at is null

-- name: backups
select * from backup_run where started_at >= $1 order by started_at desc, backup_id desc limit $2

-- name: forget_backups
delete from backup_run where finished_at < $1

-- name: not_lifted
select backup_id, restored_at, restored_by from restore where lifted_at is null

-- name: codes_not_settled
select exists (select from restore where lifted_at is not null and codes_settled_at is null)

-- name: codes_settled
update restore set codes_settled_at = $1 where lifted_at is not null and codes_settled_at is null

-- name: lift
update restore r set lifted_at = l.at, lifted_by = l.by from unnest($1::text[], $2::timestamptz[], $3::text[]) as l (backup_id, at, by)
where r.backup_id = l.backup_id and r.lifted_at is null and r.restored_by <> l.by returning r.backup_id

-- name: compared
-- What the comparison of each business system after a restore found; null while it is under way.
select distinct on (business_system_id) business_system_id, case when state = 'done' then counts end as counts
from business_run where kind = 'comparison' and request_key like $1
order by business_system_id, started_at desc, run_id desc

-- name: known_people
select integrated_number from person where integrated_number = any($1::bigint[])

-- name: counted_to
select next from number_counter

-- name: count_on
update number_counter set next = $1

-- name: suspend_clients
-- Nobody signs in by a secret that may have been ended since, or by a client that may have been suspended or removed since.
with secrets as (delete from oauth_secret)
update oauth_client set state = 'suspended', tokens_from = $1 where state <> 'removed'

-- name: stop_pushes
update push_target set state = 'off', configured_at = $1

-- name: stop_runs
update business_run set state = 'done', finished_at = $1 where state = 'running'

-- name: void_decisions
-- Who withdrew what since is not known: what was proposed or approved is proposed anew. What was applied is applied, and goes on record.
update review_decision set state = 'voided', ended_at = $1, ended_by = 'restore', reason = 'restored', version = version + 1
where state in ('proposed', 'approved', 'withdrawing')

-- name: look_for_codes
-- What became of their codes since is asked of the intermediate server; whoever was to be given another code is asked about by the message of that as before.
update code_standing set state = 'requested', reason = null, message_id = null, tries = 0, next_at = $1, changed_at = $1
where state = 'bound'

-- name: forget_files
with forgotten as (
    update inquiry_file set state = 'forgotten' where file_id = any($1::bigint[]) and state in ('finished', 'settled') returning file_id
)
update inquiry_file_line set sealed = null from forgotten where inquiry_file_line.file_id = forgotten.file_id

-- name: living_originals
select record_id from original where record_id = any($1::text[]) and not deleted order by record_id

-- name: restored
insert into restore (backup_id, restored_at, restored_by) values ($1, $2, $3)

-- name: restored_again
-- A restore from a backup that was made while an earlier restore was not lifted takes its place.
delete from restore where lifted_at is null
