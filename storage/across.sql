-- One look for many tenants in one statement: `called` is a function of each tenant's own schema that takes two arrays of text.
-- Each call runs under its tenant's role, which the login must be a member of (SC-8); the role ends with the statement. The rows of a tenant
-- stand together; each row that comes back is led by its tenant's name.
create schema if not exists across;
grant usage on schema across to public;
create or replace function across.look(called text, tenants text[], firsts text[], seconds text[])
returns setof record language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    here integer := 1;
    last integer;
begin
    while here <= cardinality(tenants) loop
        last := here;
        while tenants[last + 1] = tenants[here] loop
            last := last + 1;
        end loop;
        perform set_config('role', tenants[here], true);
        return query execute format('select %L::text, f.* from %I.%I($1, $2) as f', tenants[here], tenants[here], called)
            using firsts[here:last], seconds[here:last];
        here := last + 1;
    end loop;
    perform set_config('role', 'none', true);
end $$;
