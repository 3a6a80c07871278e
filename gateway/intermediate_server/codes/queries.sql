-- name: codes_of
select integrated_number, acquisition_sealed, expires_at, bound_at is not null as bound from person_code where integrated_number = any($1::text[])

-- name: request_code
insert into person_code (integrated_number, acquisition_index, acquisition_sealed, expires_at)
select r.integrated_number, r.acquisition_index, r.acquisition_sealed, r.expires_at
from unnest($1::text[], $2::bytea[], $3::bytea[], $4::timestamptz[]) as r (integrated_number, acquisition_index, acquisition_sealed, expires_at)
on conflict (integrated_number) do update
set acquisition_index = excluded.acquisition_index, acquisition_sealed = excluded.acquisition_sealed, expires_at = excluded.expires_at
where person_code.bound_at is null
returning integrated_number

-- name: by_acquisition
select integrated_number, acquisition_index, expires_at, bound_at is not null as bound, code_index
from person_code where acquisition_index = any($1::bytea[])

-- name: bound_already
select integrated_number, code_index from person_code where code_index = any($1::bytea[])

-- name: bind_code
update person_code set code_index = r.code_index, code_sealed = r.code_sealed, bound_at = r.bound_at, acquisition_sealed = null
from unnest($1::text[], $2::bytea[], $3::bytea[], $4::timestamptz[]) as r (integrated_number, code_index, code_sealed, bound_at)
where person_code.integrated_number = r.integrated_number and person_code.bound_at is null
returning person_code.integrated_number
