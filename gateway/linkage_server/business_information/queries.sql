-- `lateral … offset 0` and `lateral … for update` look rows up one by one by their key: a plan that was made while a table was small stays right when it is large.

-- name: lock_intake
select only_row from business_cursor for update

-- name: addressees
select a.addressee_number, a.integrated_number, p.individual_number_index is not null as has_individual_number, p.frozen, p.state
from unnest($2::text[]) as r (number)
cross join lateral (select * from addressee where business_system_id = $1 and addressee_number = r.number and state = 'held' offset 0) a
cross join lateral (select * from person where integrated_number = a.integrated_number offset 0) p

-- name: held
select o.* from unnest($1::text[]) as r (id) cross join lateral (select * from original where record_id = r.id for update) o

-- name: living_children
select parent_record_id, record_id from original where parent_record_id = any($1::text[]) and not deleted

-- name: open_scopes
insert into first_transfer (business_system_id, information, data_set, layout_version)
select $1, r.* from unnest($2::text[], $3::text[], $4::text[]) as r (information, data_set, layout_version) on conflict do nothing

-- name: scopes_waiting
select information, data_set, layout_version from first_transfer where business_system_id = $1 and transferred_at is null for share

-- name: scopes
select information, data_set, layout_version, transferred_at from first_transfer where business_system_id = $1 order by 1, 2, 3

-- name: first_transfers_through
update first_transfer set transferred_at = $1 where transferred_at is null

-- name: first_transfer_through
update first_transfer set transferred_at = $2
where business_system_id = $1 and transferred_at is null and ($3 = '' or information = $3) and ($4 = '' or data_set = $4) and ($5 = '' or layout_version = $5)

-- name: release_waiting
update original set transfer = 'due', revision = nextval('original_revision')
where record_id in (
    select record_id from original
    where business_system_id = $1 and transfer = 'awaiting_first' and ($2 = '' or information = $2) and ($3 = '' or data_set = $3) and ($4 = '' or layout_version = $4)
    order by record_id for update)

-- name: release_all
update original set transfer = 'due', revision = nextval('original_revision')
where record_id in (select record_id from original where transfer = 'awaiting_first' order by record_id limit $1 for update) returning record_id

-- name: change_originals
update original o set
    addressee_number = r.addressee_number, information = r.information, data_set = r.data_set, layout_version = r.layout_version,
    parent_record_id = r.parent_record_id, public_from = r.public_from, public_to = r.public_to, auto_response = r.auto_response, deleted = r.deleted, delegator = r.delegator,
    edition = r.edition, changed_at = r.changed_at, changed_by = r.changed_by, sealed = r.sealed, revision = nextval('original_revision'),
    transfer = r.transfer, reason = null, item = null, offered = o.offered or r.offered
from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::date[], $8::date[], $9::text[], $10::boolean[],
        $11::text[], $12::integer[], $13::timestamptz[], $14::text[], $15::bytea[], $16::text[], $17::boolean[])
    as r (record_id, addressee_number, information, data_set, layout_version, parent_record_id, public_from, public_to, auto_response, deleted,
        delegator, edition, changed_at, changed_by, sealed, transfer, offered)
where o.record_id = r.record_id

-- name: next_revisions
select nextval('original_revision') from generate_series(1, $1::bigint)

-- name: due
select record_id from original where transfer = 'due' and revision > $1 order by revision limit $2

-- name: any_due
select exists (select 1 from original where transfer = 'due')

-- name: count_due
select count(*) from original where transfer = 'due'

-- name: to_send
select o.*, a.integrated_number, p.individual_number_index is not null as has_individual_number, p.frozen, p.state
from unnest($1::text[]) as r (id)
cross join lateral (select * from original where record_id = r.id offset 0) o
left join lateral (
    select integrated_number from addressee
    where business_system_id = o.business_system_id and addressee_number = o.addressee_number and state = 'held' offset 0) a on true
left join lateral (select * from person where integrated_number = a.integrated_number offset 0) p on true

-- name: mark_offered
update original set offered = true where record_id in (select record_id from original where record_id = any($1::text[]) order by record_id for update)

-- name: settle
with locked as (select record_id from original where record_id = any($1::text[]) order by record_id for update)
update original o set
    transfer = case when o.revision = r.revision then r.transfer else o.transfer end,
    reason = case when o.revision = r.revision then r.reason else o.reason end,
    item = case when o.revision = r.revision then r.item else o.item end,
    offered = o.offered and (r.offered or o.revision <> r.revision),
    replica_number = case when coalesce(o.replica_revision, 0) <= r.replica_revision then r.replica_number else o.replica_number end,
    replica_revision = greatest(o.replica_revision, r.replica_revision)
from unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::boolean[], $7::bigint[], $8::bigint[])
    as r (record_id, revision, transfer, reason, item, offered, replica_number, replica_revision)
where o.record_id = r.record_id and o.record_id in (select record_id from locked)

-- name: send_again
with locked as (select record_id from original where record_id = any($1::text[]) order by record_id for update)
update original o set revision = greatest(nextval('original_revision'), r.above + 1), transfer = 'due', reason = null, item = null
from unnest($1::text[], $2::bigint[], $3::bigint[]) as r (record_id, revision, above)
where o.record_id = r.record_id and o.revision = r.revision and o.record_id in (select record_id from locked)

-- name: states
select o.record_id, o.edition, o.deleted, o.transfer, o.reason, o.item
from unnest($1::text[]) as r (id) cross join lateral (select * from original where record_id = r.id offset 0) o

-- name: packed_results
select first_line, packed from intake_result where intake_id = $1 order by first_line

-- name: keep_final_results
update intake_result set packed = $3 where intake_id = $1 and first_line = $2

-- name: look
select c.person_revision, c.addressee_revision, coalesce((select max(revision) from person), 0) as newest_person,
    coalesce((select max(revision) from addressee), 0) as newest_addressee
from business_cursor c

-- name: any_original
select exists (select 1 from original)

-- name: cursor
select person_revision, addressee_revision from business_cursor for update

-- name: changed_addressees
select revision, business_system_id, addressee_number from addressee where revision > $1 order by revision limit $2

-- name: changed_persons
select p.revision, a.business_system_id, a.addressee_number
from (select revision, integrated_number from person where revision > $1 order by revision limit $2) p
left join addressee a on a.integrated_number = p.integrated_number
order by p.revision

-- name: advance_cursor
update business_cursor set person_revision = $1, addressee_revision = $2

-- name: of_replaced
-- Records of addressee numbers that another one has replaced, but for those that cannot be read.
select o.record_id, a.business_system_id, a.replaced_by
from (select distinct n.* from unnest($1::text[], $2::text[]) as n (business_system_id, addressee_number)) n
cross join lateral (
    select * from addressee
    where business_system_id = n.business_system_id and addressee_number = n.addressee_number and replaced_by is not null offset 0) a
cross join lateral (
    select record_id from original
    where business_system_id = n.business_system_id and addressee_number = n.addressee_number and record_id <> all($3::text[]) offset 0) o
limit $4

-- name: look_again
with named as (select distinct n.* from unnest($1::text[], $2::text[]) as n (business_system_id, addressee_number)),
looked as (
    select o.record_id, o.deleted, o.offered, o.transfer, o.replica_number, a.integrated_number,
        coalesce(p.individual_number_index is not null and not p.frozen and p.state <> 'cancelled', false) as may_stand
    from named n
    cross join lateral (select * from original where business_system_id = n.business_system_id and addressee_number = n.addressee_number offset 0) o
    left join lateral (
        select integrated_number from addressee
        where business_system_id = n.business_system_id and addressee_number = n.addressee_number and state = 'held' offset 0) a on true
    left join lateral (select * from person where integrated_number = a.integrated_number offset 0) p on true),
other as (
    select record_id from looked
    where transfer = 'due' -- it may be on its way as it was
        or (may_stand and not deleted and (transfer = 'withheld' or replica_number <> integrated_number)) or (offered and not may_stand)),
locked as (select o.record_id from original o join other using (record_id) order by o.record_id for update of o)
update original set transfer = 'due', reason = null, item = null, revision = nextval('original_revision')
where record_id in (select record_id from locked) returning record_id

-- name: withdraw
-- Copies that were made of the person, and those that may have been: offered and not answered yet.
update original set transfer = 'due', reason = null, item = null, revision = nextval('original_revision')
where record_id in (
    select record_id from original where record_id in (
    select record_id from original where replica_number = $1
    union
    select o.record_id from addressee a join original o using (business_system_id, addressee_number)
    where a.integrated_number = $1 and o.offered and o.replica_number is null) order by record_id for update)
returning record_id

-- name: register_anew
update original set transfer = 'due', reason = null, item = null, revision = nextval('original_revision')
where record_id in (
    select o.record_id from original o
    join addressee a on a.business_system_id = o.business_system_id and a.addressee_number = o.addressee_number
    where a.integrated_number = $1 and a.state = 'held' and not o.deleted and o.transfer <> 'awaiting_first' order by o.record_id for update of o)
returning record_id

-- name: standing
select count(*) from (
    select record_id from original where replica_number = $1
    union
    select o.record_id from addressee a join original o using (business_system_id, addressee_number)
    where a.integrated_number = $1 and o.offered and o.replica_number is null) copies

-- name: of_addressee
-- Whom records are about is whom they were about: an addressee number that has ended is nobody's any more, and its records are still somebody's.
select o.*, a.integrated_number from original o
left join addressee a on a.business_system_id = o.business_system_id and a.addressee_number = o.addressee_number
where o.business_system_id = $1 and o.addressee_number = $2 and ($3 = '' or o.information = $3) and o.record_id > $4 order by o.record_id limit $5

-- name: of_record
select o.*, a.integrated_number from original o
left join addressee a on a.business_system_id = o.business_system_id and a.addressee_number = o.addressee_number
where o.business_system_id = $1 and o.record_id = any($2::text[])

-- name: people_behind
select distinct integrated_number from addressee where business_system_id = $1 and addressee_number = any($2::text[])

-- name: past
select * from original_past where record_id = any($1::text[]) order by record_id, edition desc
