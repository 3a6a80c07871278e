-- name: provisions_before
select permit_id, inquirer, inquiry_number, exchange_digest, state, outcome, signature, sealed, integrated_number, information,
    sealed is not null and code_ended_since(integrated_number, received_at, null) as code_cancelled
from provision where inquiry_number = any($1::text[]) or permit_id = any($2::text[])

-- name: record_provision
-- `push_at`: of what is marked as 不開示, which its inquirer has to know though the answer was lost on its way.
-- Only under the bars that it was decided under (epoch): one that was set meanwhile makes the answer be decided anew.
insert into provision (permit_id, inquiry_number, inquirer, basis, item, information, items, list_digest, state, exchange_digest, permit, request,
    public_key, integrated_number, ground_sealed, outcome, signature, sealed, received_at, answer_by, inquirer_for, push_at)
select r.permit_id, r.inquiry_number, r.inquirer, r.basis, r.item, r.information, r.items, r.list_digest, r.state, r.exchange_digest, r.permit, r.request,
    r.public_key, r.integrated_number, r.ground_sealed, r.outcome, r.signature, r.sealed, r.received_at, r.answer_by, r.inquirer_for, r.push_at
from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::bytea[], $11::text[],
    $12::bytea[], $13::bytea[], $14::text[], $15::bytea[], $16::bytea[], $17::bytea[], $18::bytea[], $19::timestamptz[], $20::timestamptz[],
    $21::bigint[], $22::text[], $23::timestamptz[])
    as r (permit_id, inquiry_number, inquirer, basis, item, information, items, list_digest, state, exchange_digest, permit, request,
    public_key, integrated_number, ground_sealed, outcome, signature, sealed, received_at, answer_by, epoch, inquirer_for, push_at)
where r.epoch = coalesce((select e.epoch from bar_epoch e), 0)
on conflict do nothing
returning permit_id

-- name: decide_held
-- A release (revision not null) is of what was looked at after the last bar that touches it came or went, about whom a code names that has not been
-- cancelled since. Why it was held goes.
update provision set state = r.state, outcome = r.outcome, signature = r.signature, sealed = r.sealed, push_at = r.push_at, ground = null, ground_sealed = null
from unnest($1::text[], $2::text[], $3::bytea[], $4::bytea[], $5::bytea[], $6::timestamptz[], $7::bigint[])
    as r (permit_id, state, outcome, signature, sealed, push_at, revision)
where provision.permit_id = r.permit_id and provision.state = 'held' and (r.revision is null or (provision.revision = r.revision
    and not code_ended_since(provision.integrated_number, provision.received_at, null)))
returning provision.permit_id

-- name: held
-- A page of the held provisions that a right ($5) covers, the most urgent first; ($1, $2): the last one of the page before.
select permit_id, inquiry_number, inquirer, inquirer_for, basis, item, information, ground_sealed, revision, received_at, answer_by, escalated_at,
    integrated_number, permit, public_key,
    held_approval.first_staff, held_approval.content_digest as approved_digest, held_approval.withheld, held_approval.non_disclosure as approved_non_disclosure
from provision left join held_approval using (permit_id)
where state = 'held' and (answer_by, permit_id) > ($1::timestamptz, $2) and (not $4 or escalated_at is not null)
    and array['*/*', '*/' || information, item || '/*', item || '/' || information] && $5::text[]
order by answer_by, permit_id limit $3

-- name: held_one
-- `code_cancelled`: since it was asked a code of this person's was cancelled, so it may have been asked about somebody else.
select permit_id, inquiry_number, inquirer, inquirer_for, basis, item, information, items, ground_sealed, revision, integrated_number, permit, request, public_key, exchange_digest, outcome,
    list_digest, received_at, answer_by, escalated_at, held_approval.first_staff, held_approval.content_digest as approved_digest, held_approval.withheld, held_approval.non_disclosure as approved_non_disclosure,
    code_ended_since(integrated_number, received_at, null) as code_cancelled
from provision left join held_approval using (permit_id) where permit_id = $1 and state = 'held'

-- name: approve_held
-- Only while the bars are those that the approver saw. In the place of somebody who may no longer decide, or of an approval of something else.
insert into held_approval (permit_id, first_staff, content_digest, withheld, non_disclosure)
select r.permit_id, r.first_staff, r.content_digest, r.withheld, r.non_disclosure
from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::boolean[])
    as r (permit_id, first_staff, content_digest, instead_of, withheld, revision, non_disclosure)
join provision p on p.permit_id = r.permit_id and p.state = 'held' and p.revision = r.revision
on conflict (permit_id) do update set first_staff = excluded.first_staff, content_digest = excluded.content_digest, withheld = excluded.withheld,
    non_disclosure = excluded.non_disclosure
    where held_approval.second_staff is null and (held_approval.first_staff = any($4::text[]) or held_approval.content_digest <> excluded.content_digest)
returning permit_id

-- name: second_held
update held_approval set second_staff = r.second_staff from unnest($1::text[], $2::text[], $3::text[]) as r (permit_id, second_staff, content_digest)
where held_approval.permit_id = r.permit_id and held_approval.content_digest = r.content_digest and held_approval.first_staff <> r.second_staff
    and held_approval.second_staff is null
returning held_approval.permit_id

-- name: to_escalate
select permit_id, inquiry_number, item, information, received_at, answer_by from provision
where state = 'held' and escalated_at is null and answer_by <= $1 order by answer_by limit 200

-- name: escalate_held
update provision set escalated_at = r.escalated_at from unnest($1::text[], $2::timestamptz[]) as r (permit_id, escalated_at)
where provision.permit_id = r.permit_id and provision.state = 'held' and provision.escalated_at is null
returning provision.permit_id

-- name: overdue
select permit_id, inquiry_number, inquirer, basis, item, information, items, ground_sealed, integrated_number, permit, request, public_key, exchange_digest,
    outcome, list_digest, received_at, answer_by
from provision where state = 'held' and answer_by < $1 limit 200

-- name: to_push
select permit_id, outcome, signature, sealed, answer_by, integrated_number, information,
    code_ended_since(integrated_number, received_at, null) as code_cancelled
from provision where push_at <= $1 order by push_at limit 200

-- name: pushed
update provision set push_at = null from unnest($1::text[]) as r (permit_id) where provision.permit_id = r.permit_id returning provision.permit_id

-- name: push_later
update provision set push_at = r.push_at from unnest($1::text[], $2::timestamptz[]) as r (permit_id, push_at)
where provision.permit_id = r.permit_id and provision.push_at is not null returning provision.permit_id

-- name: grounds_of_before
-- What says why a provision is held, in clear or sealed, after a permit ($1).
select permit_id, integrated_number, item, information, permit, public_key, ground, ground_sealed from provision where ground is not null and permit_id > $1
union all
select permit_id, integrated_number, item, information, permit, public_key, null, ground_sealed from provision
where ground_sealed is not null and ground is null and permit_id > $1
order by permit_id limit $2

-- name: seal_grounds
-- Nothing in clear stays; a seal stays where there is none to take its place.
update provision p set ground = null, ground_sealed = case p.state when 'held' then coalesce(r.ground_sealed, p.ground_sealed) end
from unnest($1::text[], $2::bytea[]) as r (permit_id, ground_sealed) where p.permit_id = r.permit_id
