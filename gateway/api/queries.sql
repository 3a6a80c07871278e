-- name: put_client
insert into oauth_client (client_id, business_system_id, secret_sealed, scopes, may_use_individual_number)
values ($1, $2, $3, $4, $5)
on conflict (client_id) do update set
    business_system_id = excluded.business_system_id, secret_sealed = excluded.secret_sealed,
    scopes = excluded.scopes, may_use_individual_number = excluded.may_use_individual_number

-- name: client
select client_id, business_system_id, secret_sealed, scopes, may_use_individual_number from oauth_client where client_id = $1

-- name: client_ids
select client_id from oauth_client order by client_id

-- name: forget_assertions
delete from oauth_assertion where expires_at < $1

-- name: use_assertion
insert into oauth_assertion (client_id, jti, expires_at) values ($1, $2, $3)
on conflict (client_id, jti) do nothing returning jti

-- name: system_rights
select may_use_individual_number, scopes from oauth_client where business_system_id = $1

-- name: systems
select distinct business_system_id from oauth_client order by business_system_id
