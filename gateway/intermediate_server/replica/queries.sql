-- name: keys_of
select integrated_number, wrapped from person_key where integrated_number = any($1::text[])

-- name: records_by_id
select record_id, revision, content_index, integrated_number from replica where record_id = any($1::text[])

-- name: withdrawn_by_id
select record_id, revision, number_sealed from replica_withdrawn where record_id = any($1::text[])

-- name: keep_person_key
insert into person_key (integrated_number, wrapped)
select r.integrated_number, r.wrapped from unnest($1::text[], $2::bytea[]) as r (integrated_number, wrapped)
returning integrated_number

-- name: register_replica
insert into replica as held (record_id, revision, integrated_number, information, data_set, version, public_from, public_to, content_index, sealed,
    delegator)
select r.* from unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::date[], $8::date[], $9::bytea[], $10::bytea[], $11::text[])
    as r (record_id, revision, integrated_number, information, data_set, version, public_from, public_to, content_index, sealed, delegator)
where not exists (select 1 from replica_withdrawn w where w.record_id = r.record_id and w.revision >= r.revision)
on conflict (record_id) do update set
    revision = excluded.revision, integrated_number = excluded.integrated_number, information = excluded.information, data_set = excluded.data_set,
    version = excluded.version, public_from = excluded.public_from, public_to = excluded.public_to, content_index = excluded.content_index,
    sealed = excluded.sealed, delegator = excluded.delegator, flag_beside = null
where held.revision < excluded.revision
returning record_id

-- name: delete_replica
delete from replica using unnest($1::text[], $2::bigint[]) as r (record_id, revision)
where replica.record_id = r.record_id and replica.revision <= r.revision returning replica.record_id

-- name: remember_withdrawn
-- Whose the copy was: of the last one that was there.
insert into replica_withdrawn as held (record_id, revision, withdrawn_at, person_index, number_sealed)
select r.* from unnest($1::text[], $2::bigint[], $3::timestamptz[], $4::bytea[], $5::bytea[]) as r (record_id, revision, withdrawn_at, person_index, number_sealed)
on conflict (record_id) do update set
    revision = greatest(held.revision, excluded.revision), withdrawn_at = greatest(held.withdrawn_at, excluded.withdrawn_at),
    person_index = coalesce(excluded.person_index, held.person_index), number_sealed = coalesce(excluded.number_sealed, held.number_sealed)
returning record_id

-- name: replicas_of
select r.record_id, r.revision, r.integrated_number, r.information, r.data_set, r.version, r.public_from, r.public_to, r.delegator, r.sealed, k.wrapped
from replica r join person_key k using (integrated_number)
where r.integrated_number = any($1::text[]) and r.information = any($2::text[]) and r.public_from <= $3 and (r.public_to is null or r.public_to >= $3)
order by r.record_id

-- name: replicas_held
-- All copies of one person's information of one kind, whether they may be answered from today or not.
select r.record_id, r.revision, r.integrated_number, r.information, r.data_set, r.version, r.public_from, r.public_to, r.delegator, r.sealed, k.wrapped
from replica r join person_key k using (integrated_number)
where r.integrated_number = $1 and r.information = $2 and r.record_id > $3 order by r.record_id limit $4

-- name: persons_by_code
select integrated_number, code_index, code_sealed from person_code where code_index = any($1::bytea[])

-- name: exported
select r.record_id, r.revision, r.integrated_number, r.information, r.data_set, r.version, r.public_from, r.public_to, r.delegator, r.sealed, k.wrapped
from replica r join person_key k using (integrated_number)
where r.record_id > $1 and ($2 = '' or r.record_id < $2)
order by r.record_id limit $3

-- name: exported_by_id
select r.record_id, r.revision, r.integrated_number, r.information, r.data_set, r.version, r.public_from, r.public_to, r.delegator, r.sealed, k.wrapped
from replica r join person_key k using (integrated_number)
where r.record_id = any($1::text[]) order by r.record_id

-- name: page_of_person_keys
select integrated_number from person_key where integrated_number > $1 order by integrated_number limit $2

-- name: lock_person_keys
-- Those of these people whose key lies under another version; who is held by somebody is left out.
select integrated_number, wrapped from person_key
where integrated_number = any($1::text[]) and substring(wrapped from 2 for 4) <> int4send($2) for update skip locked

-- name: lock_replicas
select * from replica where integrated_number = any($1::text[]) for update skip locked

-- name: replicas_by_person
select integrated_number, count(*) as replicas from replica where integrated_number = any($1::text[]) group by integrated_number

-- name: write_person_keys
update person_key p set wrapped = r.wrapped from unnest($1::text[], $2::bytea[]) as r (integrated_number, wrapped)
where p.integrated_number = r.integrated_number

-- name: write_replicas
update replica p set content_index = r.content_index, sealed = r.sealed from unnest($1::text[], $2::bytea[], $3::bytea[]) as r (record_id, content_index, sealed)
where p.record_id = r.record_id

-- name: count_person_keys
select count(*) from person_key where (substring(wrapped from 2 for 4) = int4send($1)) = $2

-- name: copies_over
-- Copies whose last public day was before this one.
select record_id, revision, integrated_number from replica where public_to < $1 order by public_to limit $2

-- name: note_erased_copies
insert into erasure (key_purpose, kind, rule, state, begun_at, erased)
select r.key_purpose, 'replicas', 'IS-6', 'begun', r.begun_at, r.erased from unnest($1::text[], $2::bigint[], $3::timestamptz[]) as r (key_purpose, erased, begun_at)
on conflict (key_purpose) do update set erased = erasure.erased + excluded.erased where erasure.state = 'begun'
returning key_purpose

-- name: flags_beside
-- Copies whose flag is not yet sealed with them (0091_which_copies_are_barred_is_sealed.sql), under whose key; $1: the last one of the page before.
select r.record_id, r.revision, r.integrated_number, r.information, r.data_set, r.version, r.public_from, r.public_to, r.delegator, r.sealed, k.wrapped
from replica r join person_key k using (integrated_number)
where r.flag_beside and r.record_id > $1 order by r.record_id limit $2 for update of r

-- name: seal_flags
update replica p set flag_beside = null, sealed = r.sealed from unnest($1::text[], $2::bytea[]) as r (record_id, sealed) where p.record_id = r.record_id
