-- name: permits_of_inquiries
-- What was decided on a list of inquirers' inquiry numbers.
select permit_id, inquirer, inquiry_number, provider, basis, item, information, items, list_digest, request_digest,
    permit, code_sealed, redeem_by, answer_by, state, reason, said, relayed_request_digest, disposition, outcome_digest
from permit where (inquirer, inquiry_number) in (select * from unnest($1::text[], $2::text[]))

-- name: permits_by_id
select permit_id, inquirer, inquiry_number, provider, basis, item, information, items, list_digest, request_digest,
    permit, code_sealed, redeem_by, answer_by, state, reason, said, relayed_request_digest, disposition, outcome_digest
from permit where permit_id = any($1::text[])

-- name: insert_permit
insert into permit (permit_id, inquirer, inquiry_number, provider, basis, item, information, items, list_digest,
    request_digest, permit, code_sealed, redeem_by, answer_by, state, reason, said)
select r.permit_id, r.inquirer, r.inquiry_number, r.provider, r.basis, r.item, r.information,
    r.items, r.list_digest, r.request_digest, r.permit, r.code_sealed, r.redeem_by, r.answer_by, r.state, r.reason, r.said
from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
    $10::text[], $11::text[], $12::bytea[], $13::timestamptz[], $14::timestamptz[], $15::text[], $16::text[], $17::text[])
    as r (permit_id, inquirer, inquiry_number, provider, basis, item, information, items, list_digest,
    request_digest, permit, code_sealed, redeem_by, answer_by, state, reason, said)
on conflict do nothing
returning permit_id

-- name: mint_again
-- A dishonest core (simulation): another permit for a request that has one, as if the first had never been.
update permit p set permit_id = r.permit_id, permit = r.permit, code_sealed = r.code_sealed, redeem_by = r.redeem_by,
    state = 'issued', relayed_request_digest = null, presented_at = null, disposition = null, outcome_digest = null,
    sealed_digest = null
from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
    $10::text[], $11::text[], $12::bytea[], $13::timestamptz[], $14::timestamptz[], $15::text[], $16::text[], $17::text[])
    as r (permit_id, inquirer, inquiry_number, provider, basis, item, information, items, list_digest,
    request_digest, permit, code_sealed, redeem_by, answer_by, state, reason, said)
where p.inquirer = r.inquirer and p.inquiry_number = r.inquiry_number
returning p.permit_id

-- name: relay_outcome
-- First outcome, or a final one after `held`; never another one after a final one.
update permit p set state = 'relayed', relayed_request_digest = coalesce(p.relayed_request_digest, r.relayed_request_digest),
    disposition = r.disposition, outcome_digest = r.outcome_digest, sealed_digest = r.sealed_digest
from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[])
    as r (permit_id, relayed_request_digest, disposition, outcome_digest, sealed_digest)
where p.permit_id = r.permit_id
    and (p.state = 'issued' or (p.state = 'relayed' and p.disposition = 'held' and p.outcome_digest <> r.outcome_digest))
returning p.permit_id

-- name: remember_presentation
-- The first bytes under a permit whose provider could not be asked: from now on it is for these bytes, until answer_by.
update permit p set relayed_request_digest = r.request_digest, presented_at = r.presented_at
from unnest($1::text[], $2::text[], $3::timestamptz[]) as r (permit_id, request_digest, presented_at)
where p.permit_id = r.permit_id and p.state = 'issued' and p.relayed_request_digest is null
returning p.permit_id

-- name: revoke_permit
-- Only one that was never presented: what a provider may have answered cannot be taken back.
update permit p set state = 'revoked', reason = 'permit_revoked', code_sealed = null
from unnest($1::text[]) as r (permit_id)
where p.permit_id = r.permit_id and p.state = 'issued' and p.relayed_request_digest is null
returning p.permit_id

-- name: alive_at
select at from alive

-- name: keep_alive
-- By the machine's own time.
insert into alive (at) values ($1) on conflict (one) do update set at = excluded.at

-- name: after_outage
-- Permits that had time left when the network was last up ($1) get it anew, to $2.
update permit set redeem_by = least(answer_by, $2) where state = 'issued' and redeem_by > $1 and redeem_by < $2

-- name: forget_codes
-- Codes of permits whose time is over are of no use to anybody.
update permit set code_sealed = null where code_sealed is not null and answer_by < $1

-- name: list_versions_after
select head, signature, content from list_version where number > $1 order by number

-- name: publish_list_version
-- Only on top of the version before, whose content it supersedes.
insert into list_version (number, content_digest, valid_from, supersedes, head, signature, content, received_at)
select r.number::integer, r.content_digest, r.valid_from, r.supersedes, r.head, r.signature, r.content, r.received_at
from unnest($1::text[], $2::text[], $3::date[], $4::text[], $5::bytea[], $6::bytea[], $7::bytea[], $8::timestamptz[])
    as r (number, content_digest, valid_from, supersedes, head, signature, content, received_at)
where (r.supersedes is null and not exists (select from list_version))
    or exists (select from list_version p where p.number = r.number::integer - 1 and p.content_digest = r.supersedes)
on conflict do nothing
returning number::text

-- name: refuse_list_version
insert into list_refusal (digest, reason, refused_at)
select r.digest, r.reason, r.refused_at from unnest($1::text[], $2::text[], $3::timestamptz[]) as r (digest, reason, refused_at)
on conflict do nothing
returning digest

-- name: forget_permits
-- Ids begin with their time, so what is older than a year's end is what sorts before the first id of that moment.
delete from permit where permit_id in (select permit_id from permit where permit_id < $1 order by permit_id limit $2)

-- name: latest_epochs
select distinct on (agency) agency, epoch, state, announced_at, accept_s, accepted_until from code_epoch order by agency, epoch desc

-- name: announce_epoch
insert into code_epoch (agency, epoch, state, announced_at, accept_s)
select r.agency, r.epoch, 'announced', r.announced_at, r.accept_s
from unnest($1::text[], $2::integer[], $3::timestamptz[], $4::integer[]) as r (agency, epoch, announced_at, accept_s)
on conflict do nothing
returning agency

-- name: settle_epoch
update code_epoch e set state = 'settled', settled_at = r.settled_at, accepted_until = r.accepted_until
from unnest($1::text[], $2::integer[], $3::timestamptz[], $4::timestamptz[]) as r (agency, epoch, settled_at, accepted_until)
where e.agency = r.agency and e.epoch = r.epoch and e.state = 'announced'
returning e.agency

-- name: refuse_epoch
-- The epoch before is taken from nobody any more.
update code_epoch e set state = 'refused' from unnest($1::text[], $2::integer[]) as r (agency, epoch)
where e.agency = r.agency and e.epoch = r.epoch and e.state = 'settled'
returning e.agency

-- name: destroy_epoch
-- The key of the epoch before is gone.
update code_epoch e set state = 'destroyed', destroyed_at = r.destroyed_at
from unnest($1::text[], $2::integer[], $3::timestamptz[]) as r (agency, epoch, destroyed_at)
where e.agency = r.agency and e.epoch = r.epoch and e.state = 'refused'
returning e.agency
