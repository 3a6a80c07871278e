-- name: open_intake
insert into intake (key, channel, business_system_id, sha256) values ($1, $2, $3, $4) on conflict (key) do nothing

-- name: intake
select id, sha256, state, lines_done, counts from intake where key = $1

-- name: advance_intake
update intake set lines_done = $2, counts = $3 where id = $1 and lines_done = $4 and state = 'open' returning id

-- name: put_results
insert into intake_result (intake_id, first_line, packed) values ($1, $2, $3)

-- name: results
select packed from intake_result where intake_id = $1 order by first_line

-- name: close_intake
update intake set state = 'done' from unnest($1::text[]) as r (key) where intake.key = r.key and intake.state = 'open' returning intake.key
