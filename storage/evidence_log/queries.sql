-- name: open_year
insert into log_head (year, origin) values ($1, $2) on conflict (year) do nothing

-- name: head
select size, peaks from log_head where year = $1

-- name: append
select append_log($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28)

-- name: known_entries
select entry_id from log_entry where entry_id = any($1::text[])

-- name: latest_note
select note from log_head where year = (select max(year) from log_head where size > 0)

-- name: heads
select year, origin, size from log_head where size > 0 order by year

-- name: export_entries
select idx, body, leaf from log_entry where year = $1 and idx >= $2 and idx < $3 order by idx

-- name: export_checkpoints
select note from log_checkpoint where year = $1 and size > $2 and size <= $3 order by size

-- name: peer_checkpoints
select origin, note, seen_at from peer_checkpoint order by origin

-- name: search_by_inquiry
select year, idx, entry_id, at, kind, body from log_entry where inquiry_number = $1 order by year, idx

-- name: personal_parts
select entry_id, at, body, personal from log_entry where entry_id = any($1::text[]) and personal is not null

-- name: head_note
select origin, size, note from log_head where year = $1 and size > 0

-- name: leaves
select idx, leaf from log_entry where year = $1 and idx = any($2::bigint[])

-- name: subtrees
select idx, hash as leaf from log_subtree where year = $1 and level = $2 and idx = any($3::bigint[])

-- name: prune
select pruned, sealed, remaining from prune_log($1, $2)

-- name: root_at
-- The root that was signed at a size; none where no checkpoint was made.
select root from log_checkpoint where year = $1 and size = $2

-- name: held_checkpoint
select note from peer_checkpoint where origin = $1

-- name: years_to_prune
-- Years whose last record is seven years old and that are not certified to be gone; none when last year ($1 + 7) has no log: then it is the clock that has jumped.
select h.year, h.origin, h.size, h.note from log_head h left join log_erasure e using (year)
where h.year <= $1 and h.size > 0 and e.certified_at is null and exists (select from log_head l where l.year = $1 + 7 and l.size > 0)
order by h.year

-- name: begin_log_erasure
insert into log_erasure (year, begun_at) select r.year::integer, r.begun_at from unnest($1::text[], $2::timestamptz[]) as r (year, begun_at)
on conflict do nothing returning year::text

-- name: count_pruned
update log_erasure set erased = erased + $2, sealed = sealed + $3, rows_deleted = rows_deleted + $4 where year = $1 and certified_at is null

-- name: log_erasure
select erased, sealed, rows_deleted from log_erasure where year = $1

-- name: certify_log_erasure
update log_erasure set certified_at = r.certified_at from unnest($1::text[], $2::timestamptz[]) as r (year, certified_at)
where log_erasure.year = r.year::integer and log_erasure.certified_at is null returning log_erasure.year::text

-- name: take_register
-- Only when no register of this number or a later one was in force here.
insert into register_taken (sequence, digest, taken_at)
select r.sequence::bigint, r.digest, r.taken_at
from unnest($1::text[], $2::text[], $3::timestamptz[]) as r (sequence, digest, taken_at)
where not exists (select from register_taken known where known.sequence >= r.sequence::bigint)
on conflict do nothing
returning sequence::text

-- name: refuse_register
insert into register_refused (digest, reason, refused_at)
select r.digest, r.reason, r.refused_at from unnest($1::text[], $2::text[], $3::timestamptz[]) as r (digest, reason, refused_at)
on conflict do nothing
returning digest

-- name: last_register
select coalesce(max(sequence), 0) from register_taken

-- name: note_key_change
insert into key_change (change, purpose, version, at)
select split_part(r.key, '/', 1), r.purpose, r.version, r.at
from unnest($1::text[], $2::text[], $3::integer[], $4::timestamptz[]) as r (key, purpose, version, at)
on conflict do nothing
returning change || '/' || version || '/' || purpose

-- name: note_key_change_again
-- A destruction: a ring that was made anew has the same numbers.
insert into key_change (change, purpose, version, at)
select split_part(r.key, '/', 1), r.purpose, r.version, r.at
from unnest($1::text[], $2::text[], $3::integer[], $4::timestamptz[]) as r (key, purpose, version, at)
on conflict (change, purpose, version) do update set at = excluded.at
returning change || '/' || version || '/' || purpose

-- name: destroyed_keys
select purpose, version from key_change where change = 'key.destroyed'
