-- The administrator's own schema: which tenants there are, of which migrations each is made, and the one function that makes them.
-- Nobody else reads or writes these tables; a login may call open_tenant for the tenants that it is a member of.
create schema if not exists tenancy;
revoke all on schema tenancy from public;
create table if not exists tenancy.tenant (schema text primary key, packages text[] not null);
create table if not exists tenancy.migration (
    name text primary key,
    package text not null,
    text text not null,
    entered_at timestamptz not null default now()
);

create table if not exists tenancy.guarded (relation text primary key, rights text not null);

-- Brings one schema up to date, making it if it is not there: its migrations in order, each once, and the tenant's rights.
-- A tenant may neither change nor delete what is append-only; what goes forward only it may change (a trigger watches) and not delete.
-- Raises when a migration was applied with another text: migrations are forward-only.
create or replace function tenancy.bring(wanted text) returns integer language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    step record;
    applied integer := 0;
    guarded record;
begin
    execute format('create schema if not exists %I', wanted);
    perform set_config('search_path', format('%I, pg_temp', wanted), true);
    create table if not exists migration (name text primary key, sha256 bytea not null, applied_at timestamptz not null default now());
    for step in
        select m.name, m.text, sha256(convert_to(m.text, 'UTF8')) as digest
        from tenancy.tenant t cross join unnest(t.packages) with ordinality as p (package, place)
        join tenancy.migration m on m.package = p.package
        where t.schema = wanted order by p.place, m.name collate "C"
    loop
        if exists (select from migration d where d.name = step.name and d.sha256 <> step.digest) then
            raise exception 'a migration that was applied has changed' using errcode = 'SK001', detail = step.name;
        end if;
        continue when exists (select from migration d where d.name = step.name);
        execute step.text;
        insert into migration (name, sha256) values (step.name, step.digest);
        applied := applied + 1;
    end loop;
    execute format('grant usage on schema %1$I to %1$I', wanted);
    execute format('grant select, insert, update, delete on all tables in schema %1$I to %1$I', wanted);
    execute format('grant usage on all sequences in schema %1$I to %1$I', wanted);
    execute format('revoke insert, update, delete on %1$I.migration from %1$I', wanted);
    for guarded in
        select relation, rights from tenancy.guarded
        where to_regclass(format('%I.%I', wanted, relation)) is not null
    loop
        execute format('revoke %3$s on %1$I.%2$I from %1$I', wanted, guarded.relation, guarded.rights);
    end loop;
    return applied;
end $$;
revoke all on function tenancy.bring(text) from public;

-- Makes the schema of a tenant that the caller hosts, if it is not there. True when it was made now.
create or replace function tenancy.open_tenant(wanted text) returns boolean
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    if not exists (select from tenancy.tenant t where t.schema = wanted) or not pg_has_role(session_user, wanted, 'member') then
        raise exception 'this login does not host this tenant' using errcode = 'insufficient_privilege';
    end if;
    perform pg_advisory_xact_lock(hashtextextended('tenancy/' || wanted, 0));
    if to_regnamespace(format('%I', wanted)) is not null then
        return false;
    end if;
    perform tenancy.bring(wanted);
    return true;
end $$;
