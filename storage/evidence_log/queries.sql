-- name: open_year
insert into log_head (year, origin) values ($1, $2) on conflict (year) do nothing

-- name: head
select size, peaks from log_head where year = $1

-- name: append
select append_log($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)

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
