-- name: open_run
insert into code_run (run_id, started_at) values ($1, $2) on conflict (run_id) do nothing returning run_id

-- name: open_runs
select run_id from code_run where state = 'running' order by started_at, run_id

-- name: run_state
select state from code_run where run_id = $1

-- name: close_run
update code_run set state = 'done', finished_at = $2 where run_id = $1

-- name: counts
select code_state, count(*) as people, count(*) filter (where individual_number_index is null) as without_number
from person group by code_state

-- name: without_code
select integrated_number, individual_number_sealed from person
where integrated_number > $1 and individual_number_sealed is not null and code_state = any($2::text[])
order by integrated_number limit $3

-- name: set_states
update person set code_state = r.code_state
from unnest($1::bigint[], $2::text[]) as r (integrated_number, code_state)
where person.integrated_number = r.integrated_number and person.code_state <> 'bound' and person.code_state <> r.code_state
