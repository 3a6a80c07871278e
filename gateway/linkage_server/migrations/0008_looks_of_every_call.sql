-- What every call looks at. Functions, so that they stay planned for the schema they live in, and one statement asks several tenants (`across.look`).
create function standings(text[], text[])
returns table (token_id text, client_id text, state text, expires_at timestamptz, tokens_from timestamptz, scopes text[],
    may_use_individual_number boolean, revoked boolean, secret_ids text[])
stable language plpgsql set search_path from current as $$
#variable_conflict use_column
begin
    return query
    select r.token_id, c.client_id, c.state, c.expires_at, c.tokens_from, c.scopes, c.may_use_individual_number,
        v.token_id is not null, array(select s.secret_id from oauth_secret s where s.client_id = c.client_id)
    from unnest($1, $2) as r (token_id, client_id)
    join oauth_client c using (client_id)
    left join oauth_revoked_token v on v.token_id = r.token_id;
end $$;

-- people by system and addressee number, and in the same look what was refused under a retry identity (system '')
create function known_at_the_desk(text[], text[])
returns table (system text, name text, integrated_number bigint, frozen boolean, inquiry_number text, reason text, asked bytea)
stable language plpgsql set search_path from current as $$
#variable_conflict use_column
begin
    return query
    select a.business_system_id, a.addressee_number, a.integrated_number, p.frozen, null::text, null::text, null::bytea
    from unnest($1, $2) as r (business_system_id, addressee_number)
    join addressee a using (business_system_id, addressee_number)
    join person p using (integrated_number)
    where a.state = 'held'
    union all
    select r.system, d.message_id, null, null, d.inquiry_number, d.reason, d.asked
    from unnest($1, $2) as r (system, message_id) join desk_refusal d using (message_id) where r.system = '';
end $$;
