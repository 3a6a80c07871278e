-- name: one_set_up_at_a_time
select pg_advisory_xact_lock(hashtextextended('tenancy', 0))

-- name: known_migrations
select name, text from tenancy.migration where package = $1

-- name: enter_migration
insert into tenancy.migration (package, name, text) values ($1, $2, $3)

-- name: guard_tables
-- What no tenant may do to which table of its own.
insert into tenancy.guarded (relation, rights)
select unnest($1::text[]), 'update, delete, truncate'
union all select unnest($2::text[]), 'delete, truncate'
union all select unnest($3::text[]), 'insert, update, delete, truncate'
on conflict (relation) do update set rights = excluded.rights

-- name: enter_tenant
insert into tenancy.tenant (schema, packages) values ($1, $2) on conflict (schema) do update set packages = excluded.packages

-- name: bring
select tenancy.bring($1)

-- name: schemas_there
select nspname::text as schema from pg_namespace

-- name: open_tenant
select tenancy.open_tenant($1)
