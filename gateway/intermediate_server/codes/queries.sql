-- name: codes_of
-- Bound ones and requested ones apart: each kind has its own index.
select integrated_number, acquisition_index, acquisition_sealed, expires_at, true as bound, code_index, code_sealed, message_id, epoch, renewal_refused
from person_code where integrated_number = any($1::text[]) and bound_at is not null
union all
select integrated_number, acquisition_index, acquisition_sealed, expires_at, false, code_index, code_sealed, message_id, epoch, renewal_refused
from person_code where integrated_number = any($1::text[]) and bound_at is null

-- name: request_code
-- With message_id and reason: for a replacement, beside the bound one; else only where none is bound.
insert into person_code (integrated_number, acquisition_index, acquisition_sealed, expires_at, message_id, reason)
select r.* from unnest($1::text[], $2::bytea[], $3::bytea[], $4::timestamptz[], $5::text[], $6::text[])
    as r (integrated_number, acquisition_index, acquisition_sealed, expires_at, message_id, reason)
where exists (select from person_code p where p.integrated_number = r.integrated_number and p.bound_at is not null) = (r.message_id is not null)
on conflict (integrated_number) where bound_at is null do update
set acquisition_index = excluded.acquisition_index, acquisition_sealed = excluded.acquisition_sealed, expires_at = excluded.expires_at,
    message_id = excluded.message_id, reason = excluded.reason
returning integrated_number

-- name: by_acquisition
select integrated_number, acquisition_index, acquisition_sealed, expires_at, bound_at is not null as bound, code_index, reason, null as state
from person_code where acquisition_index = any($1::bytea[])
union all
select integrated_number, acquisition_index, null, null, false, code_index, reason, state from former_code where acquisition_index = any($1::bytea[])

-- name: bound_already
-- Whose these codes are: living, or renewed since.
select integrated_number, code_index from person_code where code_index = any($1::bytea[])
union
select f.integrated_number, f.code_index from former_code f
where f.code_index = any($1::bytea[]) and f.state = 'replaced' and f.reason = 'new_epoch'
    and exists (select from person_code p where p.integrated_number = f.integrated_number and p.bound_at is not null)
    and not exists (select from person_code p where p.code_index = f.code_index)

-- name: replaced_of
-- What was replaced of these people, which is cancelled with what lives.
select acquisition_index from former_code where integrated_number = any($1::text[]) and state = 'replaced'

-- name: succeed_code
-- The bound code of a person whose next one has come. When it is cancelled, what it had replaced is cancelled with it.
with ended as (
    delete from person_code p using unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::bytea[], $6::bytea[])
        as r (integrated_number, state, reason, ended_at, was, mark)
    where p.integrated_number = r.integrated_number and p.bound_at is not null
    returning p.integrated_number, p.acquisition_index, p.code_index, p.epoch, r.state, r.reason, r.ended_at,
        case when r.state = 'replaced' and p.code_index = r.was then r.mark end as mark
), along as (
    update former_code f set state = 'cancelled', reason = e.reason, ended_at = e.ended_at, mark = null from ended e
    where f.integrated_number = e.integrated_number and f.state = 'replaced' and e.state = 'cancelled'
)
insert into former_code (acquisition_index, integrated_number, code_index, epoch, state, reason, ended_at, mark)
select e.acquisition_index, e.integrated_number, e.code_index, e.epoch, e.state, e.reason, e.ended_at, e.mark from ended e
returning integrated_number

-- name: bind_code
update person_code set code_index = r.code_index, code_sealed = r.code_sealed, bound_at = r.bound_at, epoch = r.epoch, acquisition_sealed = null
from unnest($1::bytea[], $2::bytea[], $3::bytea[], $4::timestamptz[], $5::integer[]) as r (acquisition_index, code_index, code_sealed, bound_at, epoch)
where person_code.acquisition_index = r.acquisition_index and person_code.bound_at is null
returning person_code.acquisition_index

-- name: cancel_code
-- Whatever lives of a person's codes, requested ones too, and what was replaced before.
with ended as (
    delete from person_code p using unnest($1::bytea[], $2::text[], $3::timestamptz[]) as r (acquisition_index, reason, ended_at)
    where p.acquisition_index = r.acquisition_index
    returning p.integrated_number, p.acquisition_index, p.code_index, p.epoch, r.reason, r.ended_at
), along as (
    update former_code f set state = 'cancelled', reason = e.reason, ended_at = e.ended_at, mark = null from ended e
    where f.integrated_number = e.integrated_number and f.state = 'replaced'
)
insert into former_code (acquisition_index, integrated_number, code_index, epoch, state, reason, ended_at)
select e.acquisition_index, e.integrated_number, e.code_index, e.epoch, 'cancelled', e.reason, e.ended_at from ended e
returning acquisition_index

-- name: expire_requests
with ended as (
    delete from person_code where bound_at is null and expires_at < $1 returning integrated_number, acquisition_index
)
insert into former_code (acquisition_index, integrated_number, state, reason, ended_at)
select acquisition_index, integrated_number, 'expired', 'window_passed', $1 from ended
returning acquisition_index

-- name: latest_ends
select distinct on (integrated_number) integrated_number, state, reason from former_code
where integrated_number = any($1::text[]) and state <> 'expired' order by integrated_number, ended_at desc

-- name: former_by_code
-- The latest end of each code; `living`: its person has a code now.
select distinct on (f.code_index) f.code_index, f.integrated_number, f.state, f.ended_at, f.mark,
    exists (select from person_code p where p.integrated_number = f.integrated_number and p.bound_at is not null) as living
from former_code f where f.code_index = any($1::bytea[]) order by f.code_index, f.ended_at desc

-- name: code_counts
select state, reason, epoch, count(*) as codes from (
    select case when bound_at is null then 'requested' else 'bound' end as state, renewal_refused as reason, epoch from person_code
    union all select state, reason, epoch from former_code
) as every_code group by state, reason, epoch order by state, reason, epoch

-- name: latest_renewal
select epoch, state from code_renewal order by epoch desc limit 1

-- name: begin_renewal
insert into code_renewal (epoch, total, begun_at)
select $1, (select count(*) from person_code where bound_at is not null and renewal_refused is null and epoch < $1), $2
on conflict do nothing

-- name: to_renew
-- Bound codes of an epoch before $1.
select integrated_number, acquisition_index, code_index, code_sealed, epoch from person_code
where bound_at is not null and renewal_refused is null and epoch < $1 order by epoch limit $2

-- name: renew_code
-- A code in the place of the one before, which is answered to for a while yet; nothing where that has ended meanwhile.
with r as (
    select * from unnest($1::bytea[], $2::bytea[], $3::bytea[], $4::bytea[], $5::integer[], $6::bytea[], $7::integer[], $8::timestamptz[], $9::bytea[])
        as r (acquisition_index, was, code_index, code_sealed, epoch, tombstone, was_epoch, renewed_at, mark)
), renewed as (
    update person_code p set code_index = r.code_index, code_sealed = r.code_sealed, epoch = r.epoch, renewal_refused_at = null from r
    where p.acquisition_index = r.acquisition_index and p.code_index = r.was and p.bound_at is not null
    returning p.integrated_number, r.was, r.mark, p.code_index, r.tombstone, r.was_epoch, r.renewed_at
), former as (
    insert into former_code (acquisition_index, integrated_number, code_index, epoch, state, reason, ended_at, mark)
    select tombstone, integrated_number, was, was_epoch, 'replaced', 'new_epoch', renewed_at, mark from renewed where was <> code_index
    on conflict (acquisition_index) do update set integrated_number = excluded.integrated_number, state = excluded.state, reason = excluded.reason,
        ended_at = excluded.ended_at, mark = excluded.mark
)
select acquisition_index from r

-- name: refuse_renewal
with r as (select * from unnest($1::bytea[], $2::bytea[], $3::text[], $4::timestamptz[]) as r (acquisition_index, was, reason, refused_at)), marked as (
    update person_code p set renewal_refused = r.reason, renewal_refused_at = coalesce(p.renewal_refused_at, r.refused_at) from r
    where p.acquisition_index = r.acquisition_index and p.code_index = r.was
)
select acquisition_index from r

-- name: advance_renewal
with r as (select * from unnest($1::integer[], $2::bigint[], $3::bigint[]) as r (epoch, renewed, refused)), advanced as (
    update code_renewal c set renewed = c.renewed + s.renewed, refused = c.refused + s.refused
    from (select epoch, sum(renewed) as renewed, sum(refused) as refused from r group by epoch) as s where c.epoch = s.epoch
)
select epoch from r

-- name: settle_renewal
update code_renewal c set state = 'settled', settled_at = r.settled_at from unnest($1::integer[], $2::timestamptz[]) as r (epoch, settled_at)
where c.epoch = r.epoch and c.state = 'renewing'
returning c.epoch

-- name: code_holders
select integrated_number from (
    (select integrated_number from person_code where bound_at is not null and integrated_number > $1 order by integrated_number limit $2)
    union
    (select integrated_number from person_code where bound_at is null and integrated_number > $1 order by integrated_number limit $2)) holders
order by integrated_number limit $2
