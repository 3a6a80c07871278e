-- name: enter
-- A tenant's schema under its role, for the transaction.
select set_config('role', $1, true), set_config('search_path', $1, true)

-- name: attempts_on_tenants
-- What must fail on tenants that a role does not host: to become one, and to read each of its tables.
select name, 'になれる (may become that tenant)' as what, format('set local role %I', name) as attempt from unnest($1::text[]) as r (name)
union all
select schemaname || '.' || tablename, 'を読める (may read)', format('select 1 from %I.%I limit 1', schemaname, tablename)
from pg_tables where schemaname = any($1::text[])
order by 1, 2

-- name: try_schema
create schema assessed

-- name: try_table
create table public.assessed (a int)

-- name: try_role
create role assessed

-- name: try_update_entry
update log_entry set idx = idx where false

-- name: try_delete_entry
delete from log_entry where false

-- name: try_update_subtree
update log_subtree set idx = idx where false

-- name: try_delete_subtree
delete from log_subtree where false

-- name: try_update_checkpoint
update log_checkpoint set size = size where false

-- name: try_delete_checkpoint
delete from log_checkpoint where false

-- name: try_delete_head
delete from log_head where false

-- name: try_delete_peer
delete from peer_checkpoint where false

-- name: mighty
select rolsuper or rolcreaterole or rolcreatedb or rolbypassrls or rolreplication from pg_roles where rolname = current_user

-- name: rights_held
-- Rights that the tenant's role holds over tables and should not.
select name, act from (
    select name, act from unnest($1::text[]) as append_only (name), unnest(array['update', 'delete', 'truncate']) as acts (act)
    union all
    select name, act from unnest($2::text[]) as forward_only (name), unnest(array['delete', 'truncate']) as acts (act)
    union all
    select name, act from unnest($3::text[]) as read_only (name), unnest(array['insert', 'update', 'delete', 'truncate']) as acts (act)
) as r
where to_regclass(name) is not null and has_table_privilege(current_user, name, act)

-- name: in_use
-- Schemas that are there: an agency that nobody has used yet has none.
select nspname::text as name from pg_namespace where nspname = any($1::text[])

-- name: triggers_on
-- Those that are on and whose function still refuses.
select t.tgname as name from pg_trigger t join pg_class c on c.oid = t.tgrelid join pg_namespace n on n.oid = c.relnamespace
join pg_proc p on p.oid = t.tgfoid
where n.nspname = $1 and t.tgenabled in ('O', 'A') and not t.tgisinternal and p.prosrc like '%raise exception%insufficient_privilege%'

-- name: constraints_valid
select c.conname as name from pg_constraint c join pg_namespace n on n.oid = c.connamespace where n.nspname = $1 and c.convalidated

-- name: grants_of_one_person
select grant_id from staff_grant
where state = 'effective' and (approved_by is null or approved_by in (requested_by, staff_id) or approved_card = requested_card)
order by grant_id

-- name: without_card
select staff_id from staff_member m
where state = 'active' and not exists (select from staff_card c where c.staff_id = m.staff_id and c.state = 'active')
order by staff_id

-- name: effective
select count(*) as count from staff_grant where state = 'effective'

-- name: effective_grants
select grant_id, staff_id, requested_by, approved_by, approved_digest from staff_grant where state = 'effective' order by grant_id

-- name: working_bars
select bar_id, place, effect, information, data_item, coalesce(inquirer, '') as inquirer from bar where state not in ('asked', 'lifted') order by bar_id

-- name: refused_inquiries
select inquiry_number from inquiry where state = 'refused' order by inquiry_number

-- name: refused_at_desk
select inquiry_number from desk_refusal order by inquiry_number

-- name: results
select count(*) filter (where result_until <= $1) as late, count(*) filter (where result_until > $1) as kept
from inquiry where result_sealed is not null

-- name: schema_is_there
select to_regnamespace($1) is not null

-- name: backup_holders
select distinct staff_id from staff_grant where function = 'backup' and state in ('effective', 'revoked', 'closed') order by staff_id

-- name: exchange_counts
select month, basis, item, partner, inquirer_for, provider_for, information, kind, outcome, exchanges from exchange_count
