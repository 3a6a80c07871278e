-- name: open_intake
-- Found or begun; one that is taken up again counts a try.
insert into intake (key, channel, business_system_id, sha256, taken_at, lines) values ($1, $2, $3, $4, $5, $6)
on conflict (key) do update set tries = intake.tries + 1 where intake.state = 'open'

-- name: intake
select id, sha256, state, lines_done, counts, taken_at from intake where key = $1

-- name: forget_intake
delete from intake where id = $1 and state = 'open' and lines_done = 0

-- name: advance_intake
update intake set lines_done = $2, counts = $3 where id = $1 and lines_done = $4 and state = 'open' returning id

-- name: put_results
insert into intake_result (intake_id, first_line, packed) values ($1, $2, $3)

-- name: reopen_intake
-- Lines of it were judged anew; nobody else has, meanwhile.
update intake set state = 'open', counts = $2 where id = $1 and counts = $3 returning id

-- name: change_results
update intake_result set packed = $3 where intake_id = $1 and first_line = $2

-- name: results
select packed from intake_result where intake_id = $1 order by first_line

-- name: results_after
select first_line, packed from intake_result where intake_id = $1 and first_line > $2 order by first_line limit 1

-- name: keep_said
update intake set said_sealed = $2 where id = $1

-- name: left_open
-- Lists of people, by call or of the server's own, that are in and not on record; a file comes again by itself.
select id, key, business_system_id, sha256, lines_done, counts, taken_at, said_sealed from intake
where state = 'open' and taken_at < $1 and lines_done > 0
    and (starts_with(key, 'changes/') or starts_with(key, 'api/person-changes/') or starts_with(key, 'api/addressees/')) order by taken_at limit $2

-- name: close_intake
update intake set state = 'done', done_at = r.at, said_sealed = null from unnest($1::text[], $2::timestamptz[]) as r (key, at)
where intake.key = r.key and intake.state = 'open' returning intake.key

-- name: files_taken
select id, channel, business_system_id, state, lines_done, lines, counts, tries, taken_at, done_at from intake
where starts_with(key, 'file/') and taken_at >= $1 order by taken_at desc, id desc limit $2

-- name: waiting_work
select * from across.look('waiting_work', $1::text[], $2::text[], $3::text[])
as r (tenant text, search boolean, business_information boolean, reviews boolean, pushes boolean, codes boolean)

-- name: forget_subjects
-- Whom entries were about whose bodies are gone (ids begin with their time); the trigger lets no other row go.
delete from access_subject where entry_id in (
    select s.entry_id from access_subject s join log_entry e using (entry_id) where s.entry_id < $1 and e.body is null order by s.entry_id limit $2)
