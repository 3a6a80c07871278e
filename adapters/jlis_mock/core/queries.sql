-- name: permits_of_inquiries
-- The caller's permits for a list of inquiry numbers.
select permit_id, inquirer, inquiry_number, provider, basis, item, information, items, list_digest, request_digest,
    permit, code_sealed, redeem_by, answer_by, state, reason, relayed_request_digest, disposition, outcome_digest
from permit where inquirer = $1 and inquiry_number = any($2::text[])

-- name: permits_by_id
select permit_id, inquirer, inquiry_number, provider, basis, item, information, items, list_digest, request_digest,
    permit, code_sealed, redeem_by, answer_by, state, reason, relayed_request_digest, disposition, outcome_digest
from permit where permit_id = any($1::text[])

-- name: insert_permit
insert into permit (permit_id, inquirer, inquiry_number, provider, basis, item, information, items, list_digest,
    request_digest, permit, code_sealed, redeem_by, answer_by, state, reason)
select r.permit_id, r.inquirer, r.inquiry_number, r.provider, r.basis, r.item, r.information,
    r.items, r.list_digest, r.request_digest, r.permit, r.code_sealed, r.redeem_by, r.answer_by, r.state, r.reason
from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
    $10::text[], $11::text[], $12::bytea[], $13::timestamptz[], $14::timestamptz[], $15::text[], $16::text[])
    as r (permit_id, inquirer, inquiry_number, provider, basis, item, information, items, list_digest,
    request_digest, permit, code_sealed, redeem_by, answer_by, state, reason)
on conflict do nothing
returning permit_id

-- name: mint_again
-- A dishonest core (simulation): another permit for a request that has one, as if the first had never been.
update permit p set permit_id = r.permit_id, permit = r.permit, code_sealed = r.code_sealed, redeem_by = r.redeem_by,
    state = 'issued', relayed_request_digest = null, presented_at = null, disposition = null, outcome_digest = null,
    sealed_digest = null
from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
    $10::text[], $11::text[], $12::bytea[], $13::timestamptz[], $14::timestamptz[], $15::text[], $16::text[])
    as r (permit_id, inquirer, inquiry_number, provider, basis, item, information, items, list_digest,
    request_digest, permit, code_sealed, redeem_by, answer_by, state, reason)
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

-- name: alive_at
select at from alive

-- name: keep_alive
insert into alive (at) values ($1) on conflict (one) do update set at = greatest(alive.at, excluded.at)

-- name: after_outage
-- Permits that had time left when the network was last up ($1) get it anew, to $2.
update permit set redeem_by = least(answer_by, $2) where state = 'issued' and redeem_by > $1 and redeem_by < $2

-- name: forget_codes
-- Codes of permits whose time is over are of no use to anybody.
update permit set code_sealed = null where code_sealed is not null and answer_by < $1
