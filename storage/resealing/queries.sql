-- name: begin_resealing
-- One row a purpose and the version that its rows are brought under.
insert into resealing (purpose, version, started_at, total) select r.purpose, r.version, r.at, r.total
from unnest($1::text[], $2::text[], $3::integer[], $4::timestamptz[], $5::bigint[]) as r (key, purpose, version, at, total)
on conflict (purpose, version) do nothing
returning purpose || '-' || version

-- name: advance_resealing
update resealing set place = $3, after = $4, done = done + $5, unreadable = unreadable + $6
where purpose = $1 and version = $2 and finished_at is null

-- name: flush_later
-- No flush of its own: what a crash of the database takes back goes with its place, and is done again. Whatever is committed later is later in its log too.
set local synchronous_commit = off

-- name: resealing_anew
-- Another pass from the first row: what could not be read is counted anew.
update resealing set place = '', after = '', unreadable = 0, finished_at = null, reason = null where purpose = $1 and version = $2

-- name: end_resealing
update resealing set finished_at = r.at, reason = r.reason
from unnest($1::text[], $2::text[], $3::integer[], $4::timestamptz[], $5::text[]) as r (key, purpose, version, at, reason)
where resealing.purpose = r.purpose and resealing.version = r.version and resealing.finished_at is null
returning r.key

-- name: resealing
select * from resealing where purpose = $1 and version = $2

-- name: resealings
select * from resealing where started_at >= $1 order by started_at desc, purpose limit $2

-- name: supersede_resealings
-- A later version came before these were through.
update resealing set finished_at = $3, reason = 'superseded' where purpose = $1 and version < $2 and finished_at is null
