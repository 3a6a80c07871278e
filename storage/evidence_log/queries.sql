-- name: open_year
insert into log_head (year, origin) values ($1, $2) on conflict (year) do nothing

-- name: lock_head
select size, peaks from log_head where year = $1 for update

-- name: append_entries
insert into log_entry (year, idx, entry_id, at, kind, inquiry_number, body, leaf, personal)
select $1, r.idx, r.entry_id, r.at, r.kind, r.inquiry_number, r.body, r.leaf, r.personal
from unnest($2::bigint[], $3::text[], $4::timestamptz[], $5::text[], $6::text[], $7::bytea[], $8::bytea[], $9::bytea[])
    as r (idx, entry_id, at, kind, inquiry_number, body, leaf, personal)

-- name: advance_head
with head as (
    update log_head set size = $2, peaks = $3, note = $4 where year = $1 and size = $5 returning year
), subtree as (
    insert into log_subtree (year, level, idx, hash)
    select $1, r.level, r.idx, r.hash from unnest($7::smallint[], $8::bigint[], $9::bytea[]) as r (level, idx, hash)
)
insert into log_checkpoint (year, size, root, note) select year, $2, $6, $4 from head returning size

-- name: keep_peer_checkpoint
insert into peer_checkpoint (origin, size, note, seen_at) values ($1, $2, $3, $4)
on conflict (origin) do update set size = excluded.size, note = excluded.note, seen_at = excluded.seen_at
where peer_checkpoint.size < excluded.size

-- name: known_entries
select entry_id from log_entry where entry_id = any($1::text[])

-- name: latest_note
select note from log_head where year = (select max(year) from log_head where size > 0)

-- name: heads
select year, origin, size from log_head where size > 0 order by year

-- name: export_entries
select idx, body, leaf from log_entry where year = $1 and idx >= $2 and idx < $3 order by idx

-- name: export_checkpoints
select size, note from log_checkpoint where year = $1 and size > $2 order by size limit 1000

-- name: peer_checkpoints
select origin, note, seen_at from peer_checkpoint order by origin

-- name: search_by_inquiry
select year, idx, body from log_entry where inquiry_number = $1 order by year, idx
