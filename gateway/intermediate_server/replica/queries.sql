-- name: keys_of
select integrated_number, wrapped from person_key where integrated_number = any($1::text[])

-- name: records_by_id
select record_id, content_index from replica where record_id = any($1::text[])

-- name: keep_person_key
insert into person_key (integrated_number, wrapped)
select r.integrated_number, r.wrapped from unnest($1::text[], $2::bytea[]) as r (integrated_number, wrapped)
returning integrated_number

-- name: register_replica
insert into replica (record_id, integrated_number, information, data_set, version, public_from, public_to, auto_response, content_index, sealed)
select r.* from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::date[], $7::date[], $8::text[], $9::bytea[], $10::bytea[])
    as r (record_id, integrated_number, information, data_set, version, public_from, public_to, auto_response, content_index, sealed)
returning record_id

-- name: delete_replica
delete from replica using unnest($1::text[]) as r (record_id) where replica.record_id = r.record_id returning replica.record_id

-- name: replicas_of
select r.record_id, r.integrated_number, r.information, r.data_set, r.version, r.public_from, r.public_to, r.auto_response, r.sealed, k.wrapped
from replica r join person_key k using (integrated_number)
where r.integrated_number = any($1::text[]) and r.information = any($2::text[]) and r.public_from <= $3 and (r.public_to is null or r.public_to >= $3)
order by r.record_id

-- name: persons_by_code
select integrated_number, code_index from person_code where code_index = any($1::bytea[])
