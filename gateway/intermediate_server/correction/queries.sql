-- name: correction
select * from record_correction where correction_id = $1

-- name: propose_correction
insert into record_correction (correction_id, entry_id, field, value, number_sealed, sealed_under, reason, content_hash, state, proposed_at, proposed_by, proposed_card)
select r.correction_id, r.entry_id, r.field, r.value, r.number_sealed, r.sealed_under, r.reason, r.content_hash, 'proposed', r.proposed_at, r.proposed_by, r.proposed_card
from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bytea[], $6::text[], $7::text[], $8::text[], $9::timestamptz[], $10::text[], $11::text[])
    as r (correction_id, entry_id, field, value, number_sealed, sealed_under, reason, content_hash, proposed_at, proposed_by, proposed_card)
on conflict do nothing
returning correction_id

-- name: decide_correction
update record_correction set state = r.state, decided_at = r.decided_at, decided_by = r.decided_by, decided_card = r.decided_card
from unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::text[], $6::text[]) as r (correction_id, content_hash, state, decided_at, decided_by, decided_card)
where record_correction.correction_id = r.correction_id and record_correction.content_hash = r.content_hash and record_correction.state = 'proposed'
returning record_correction.correction_id
