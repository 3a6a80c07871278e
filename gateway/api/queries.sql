-- name: put_client
-- Set-up: made, or set to what the topology says; who was suspended or removed stays so.
insert into oauth_client (client_id, business_system_id, scopes, may_use_individual_number)
values ($1, $2, $3, $4)
on conflict (client_id) do update set
    business_system_id = excluded.business_system_id, scopes = excluded.scopes, may_use_individual_number = excluded.may_use_individual_number

-- name: put_first_secret
-- A client that waits for a secret after a restore is not given the one of a file: it may have been ended since.
insert into oauth_secret (client_id, secret_id, place, sealed, made_at)
select client_id, $2, 1, $3, $4 from oauth_client where client_id = $1 and state = 'active'
on conflict do nothing

-- name: client
select client_id, business_system_id, scopes, may_use_individual_number, state, expires_at from oauth_client where client_id = $1

-- name: clients
select client_id, business_system_id, scopes, may_use_individual_number, state, expires_at from oauth_client order by client_id

-- name: secrets
select client_id, secret_id, sealed, made_at from oauth_secret where client_id = any($1::text[]) order by client_id, made_at, place

-- name: client_ids
select client_id from oauth_client order by client_id

-- name: standings
select * from across.look('standings', $1::text[], $2::text[], $3::text[])
as r (tenant text, token_id text, client_id text, state text, expires_at timestamptz, tokens_from timestamptz, scopes text[],
    may_use_individual_number boolean, revoked boolean, secret_ids text[])

-- name: forget_assertions
delete from oauth_assertion where expires_at < $1

-- name: use_assertion
insert into oauth_assertion (client_id, jti, expires_at) values ($1, $2, $3)
on conflict (client_id, jti) do nothing returning jti

-- name: forget_revoked
delete from oauth_revoked_token where expires_at < $1

-- name: revoke_token
insert into oauth_revoked_token (token_id, expires_at)
select r.token_id, r.expires_at from unnest($1::text[], $2::timestamptz[]) as r (token_id, expires_at)
on conflict do nothing returning token_id

-- name: system_rights
select may_use_individual_number, scopes, state = 'active' and (expires_at is null or expires_at > $2) as usable
from oauth_client where business_system_id = $1 and state <> 'removed'

-- name: systems
select distinct business_system_id from oauth_client where state <> 'removed' order by business_system_id

-- name: add_client
insert into oauth_client (client_id, business_system_id, scopes, may_use_individual_number, expires_at)
select r.client_id, r.system, string_to_array(r.scopes, ' '), r.individual_number, r.expires_at
from unnest($1::text[], $2::text[], $3::text[], $4::boolean[], $5::timestamptz[]) as r (client_id, system, scopes, individual_number, expires_at)
on conflict do nothing returning client_id

-- name: add_secret
insert into oauth_secret (client_id, secret_id, place, sealed, made_at)
select r.client_id, r.secret_id,
    case when exists (select from oauth_secret s where s.client_id = r.client_id and s.place = 1) then 2 else 1 end, r.sealed, r.made_at
from unnest($1::text[], $2::text[], $3::bytea[], $4::timestamptz[]) as r (client_id, secret_id, sealed, made_at)
join oauth_client c on c.client_id = r.client_id and c.state <> 'removed'
where not exists (select from oauth_ended_secret e where e.client_id = r.client_id and e.secret_id = r.secret_id)
on conflict do nothing returning client_id

-- name: is_ended_secret
select exists (select from oauth_ended_secret where client_id = $1 and secret_id = $2)

-- name: end_one_secret
delete from oauth_secret s using unnest($1::text[], $2::text[]) as r (client_id, secret_id)
where s.client_id = r.client_id and s.secret_id = r.secret_id
    and exists (select from oauth_secret o where o.client_id = s.client_id and o.secret_id <> s.secret_id)
returning s.client_id

-- name: keep_ended
insert into oauth_ended_secret (client_id, secret_id) select r.* from unnest($1::text[], $2::text[]) as r (client_id, secret_id) returning client_id

-- name: suspend_client
update oauth_client c set state = 'suspended', tokens_from = r.now
from unnest($1::text[], $2::timestamptz[]) as r (client_id, now)
where c.client_id = r.client_id and c.state = 'active' returning c.client_id

-- name: resume_client
update oauth_client c set state = 'active' from unnest($1::text[]) as r (client_id)
where c.client_id = r.client_id and c.state = 'suspended' returning c.client_id

-- name: renew_client
update oauth_client c set expires_at = r.expires_at
from unnest($1::text[], $2::timestamptz[]) as r (client_id, expires_at)
where c.client_id = r.client_id and c.state <> 'removed' returning c.client_id

-- name: remove_client
update oauth_client c set state = 'removed', tokens_from = r.now
from unnest($1::text[], $2::timestamptz[]) as r (client_id, now)
where c.client_id = r.client_id and c.state <> 'removed' returning c.client_id

-- name: drop_secret
delete from oauth_secret s using unnest($1::text[], $2::text[]) as r (secret_id, client_id)
where s.client_id = r.client_id and s.secret_id = r.secret_id returning s.secret_id
