-- name: open_run
insert into code_run (run_id, started_at) values ($1, $2) on conflict (run_id) do nothing returning run_id

-- name: open_run_after_restore
-- Once for each time that the log of the intermediate server ($1) was opened anew, as its checkpoints say; $3: origins of those that are not written yet.
insert into code_run (run_id, started_at, opened_anew)
select 'opened-anew/' || max(times), $2, max(times)
from (
    select substring(origin from '~([1-9][0-9]{0,5})/[0-9]+$')::integer as times
    from (select origin from peer_checkpoint union all select unnest($3::text[])) known where starts_with(origin, $1 || '~')) seen
having max(times) is not null on conflict do nothing

-- name: open_runs
select run_id from code_run where state = 'running' order by started_at, run_id

-- name: run_state
select state from code_run where run_id = $1

-- name: code_runs_since
select run_id, state, started_at, finished_at from code_run where started_at >= $1 order by started_at desc, run_id desc limit $2

-- name: forget_code_runs
-- But for those that are made once.
delete from code_run where state = 'done' and finished_at < $1 and opened_anew is null

-- name: close_runs
update code_run set state = 'done', finished_at = $2 where run_id = any($1::text[]) and state = 'running'

-- name: hastening
select run_id, started_at, hastening_after, opened_anew from code_run where state = 'running' and hastening_after is not null order by started_at, run_id limit 1

-- name: hasten
-- The next people, by integrated number: a run asks at once for everybody who has no code, and anew for those whose request may have been lost; not
-- for those in a file under way, nor for whoever has moved since it began. $4: whether codes may have been lost: then those who have one are asked about
-- too, whoever was given another one by the message of that, and of a merge is told again: the bars that went with it are lost as well. Returns the last
-- of a full page.
with page as materialized (
    select integrated_number from code_standing where integrated_number > $2 order by integrated_number limit $3),
hastened as (
    update code_standing c set
        state = case when c.state in ('requested', 'refused') then 'none' when c.state = 'cancelled' then 'cancelling' when c.state <> 'bound' then c.state
            when c.message_id is null then 'requested' else 'replacing' end,
        reason = case when c.state = 'refused' then null when c.state <> 'bound' or c.message_id is null then c.reason
            when starts_with(c.message_id, 'number/') then 'number_changed' else 'resident_record_changed' end,
        tries = 0, next_at = $1, changed_at = $1
    from page
    where c.integrated_number = page.integrated_number
        and (c.state in ('none', 'requested', 'refused', 'replacing', 'cancelling')
            or $4 and (c.state = 'bound' or c.state = 'cancelled' and c.reason = 'merged'))
        and c.changed_at <= $1 and (c.state <> 'none' or c.next_at > $1)
        and not exists (select from code_request_line l where l.integrated_number = c.integrated_number))
select case when count(*) = $3 then max(integrated_number) end from page

-- name: advance_hastening
update code_run set hastening_after = $2 where run_id = $1

-- name: cursor
select revision from code_follower

-- name: newest_revision
select coalesce(max(revision), 0) from person

-- name: move_cursor
update code_follower set revision = $1 where revision < $1

-- name: changed_people
select p.integrated_number, p.revision, p.individual_number_index, p.state as person_state, p.merged_into is not null as merged,
    c.state, c.reason, c.number_index, c.message_id, c.by_hand, c.tries, c.next_at,
    coalesce((
        select f.by_law from former_individual_number f
        where f.integrated_number = p.integrated_number and f.individual_number_index = c.number_index limit 1), false) as lawfully_changed
from person p left join code_standing c using (integrated_number)
where p.revision > $1 order by p.revision limit $2

-- name: these_people
select p.integrated_number, p.revision, p.individual_number_index, p.state as person_state, p.merged_into is not null as merged,
    c.state, c.reason, c.number_index, c.message_id, c.by_hand, c.tries, c.next_at, false as lawfully_changed
from person p left join code_standing c using (integrated_number)
where p.integrated_number = any($1::bigint[])

-- name: lock_standings
-- What staff order waits until the page is written: nothing ordered is written over.
lock table code_standing in share row exclusive mode

-- name: put_standings
insert into code_standing (integrated_number, state, reason, number_index, message_id, by_hand, tries, next_at, changed_at)
select r.*, $9 from unnest($1::bigint[], $2::text[], $3::text[], $4::bytea[], $5::text[], $6::boolean[], $7::integer[], $8::timestamptz[])
    as r (integrated_number, state, reason, number_index, message_id, by_hand, tries, next_at)
on conflict (integrated_number) do update set
    state = excluded.state, reason = excluded.reason, number_index = excluded.number_index, message_id = excluded.message_id,
    by_hand = excluded.by_hand, tries = excluded.tries, next_at = excluded.next_at, changed_at = excluded.changed_at

-- name: due
-- Frozen people and those whose request lies in a file wait, but for the end of a code: one that comes of that request may be another person's. By state:
-- of a ward that waits for its codes no more is read than a list.
select c.integrated_number, c.state, c.reason, c.number_index, c.message_id, c.by_hand, c.tries, c.next_at, c.individual_number_sealed,
    c.merged_into
from unnest($1::text[]) as wanted (state) cross join lateral (
    select s.*, p.individual_number_sealed, p.merged_into from code_standing s join person p using (integrated_number)
    where s.state = wanted.state and s.state in ('none', 'requested', 'refused', 'replacing', 'cancelling') and s.next_at <= $2
        and (s.state = 'cancelling'
            or not p.frozen and not exists (select from code_request_line l where l.integrated_number = s.integrated_number))
    order by s.next_at limit $3) c
order by c.next_at limit $3

-- name: next_due
-- Who waits for a file is not due now, whatever is to be done then.
select min(c.next_at)
from unnest(array['none', 'requested', 'refused', 'replacing', 'cancelling']) as wanted (state) cross join lateral (
    select s.next_at from code_standing s join person p using (integrated_number)
    where s.state = wanted.state and s.state in ('none', 'requested', 'refused', 'replacing', 'cancelling')
        and (s.state = 'cancelling'
            or not p.frozen and (s.next_at > $1 or not exists (select from code_request_line l where l.integrated_number = s.integrated_number)))
    order by s.next_at limit 1) c

-- name: advance
-- Where each stood when it was read is where it stands now, or somebody else has moved it since.
update code_standing c set state = r.state, reason = r.reason, tries = r.tries, next_at = r.next_at, changed_at = $8
from unnest($1::bigint[], $2::text[], $3::bytea[], $4::text[], $5::text[], $6::integer[], $7::timestamptz[])
    as r (integrated_number, before, number_index, state, reason, tries, next_at)
where c.integrated_number = r.integrated_number and c.state = r.before and c.number_index is not distinct from r.number_index
returning c.integrated_number

-- name: on_the_way
select exists (
    select from unnest(array['none', 'requested', 'replacing', 'cancelling']) as wanted (state) cross join lateral (
        select from code_standing s join person p using (integrated_number)
        where s.state = wanted.state and s.state in ('none', 'requested', 'refused', 'replacing', 'cancelling')
            and (not p.frozen or s.state = 'cancelling')
        order by s.next_at limit 1) c)

-- name: counts
-- What keeps somebody who is frozen from a code is that, whatever was in the way before.
select c.state, case when f.frozen and c.state in ('none', 'requested', 'refused', 'replacing') then 'frozen' else c.reason end as reason, count(*) as people
from code_standing c left join person f on f.integrated_number = c.integrated_number and f.frozen
group by 1, 2 order by 1, 2

-- name: unseen
-- Whoever was not looked at yet has changed since the last look.
select count(*) from person p where p.revision > (select revision from code_follower)
    and not exists (select from code_standing c where c.integrated_number = p.integrated_number)

-- name: people_of_system
-- The reason as in `counts` and `unseen`.
select a.addressee_number, a.integrated_number, coalesce(c.state, 'none') as state, c.changed_at,
    case when c.state is null then 'not_looked_at' when p.frozen and c.state in ('none', 'requested', 'refused', 'replacing') then 'frozen'
        else c.reason end as reason
from addressee a join person p using (integrated_number) left join code_standing c using (integrated_number)
where a.business_system_id = $1 and a.state = 'held' and a.addressee_number > $2 and coalesce(c.state, 'none') = any($3::text[])
order by a.addressee_number limit $4

-- name: standings_of_addressees
select a.addressee_number, a.integrated_number, c.state, c.reason, c.number_index, c.message_id, c.by_hand, c.tries, c.next_at
from addressee a left join code_standing c using (integrated_number)
where a.business_system_id = $1 and a.state = 'held' and a.addressee_number = any($2::text[])

-- name: order_standing
update code_standing c set state = r.state, reason = r.reason, message_id = r.message_id, by_hand = r.by_hand, tries = 0, next_at = r.next_at, changed_at = r.next_at
from unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::boolean[], $7::timestamptz[])
    as r (integrated_number, before, state, reason, message_id, by_hand, next_at)
where c.integrated_number = r.integrated_number and c.state = r.before
returning c.integrated_number

-- name: order_standings
-- As order_standing, for the first of several people; only when all the others stand as they were seen, and then they stay so until the commit.
with others as materialized (
    select r.integrated_number from unnest($1::bigint[], $8::text[], $9::text[]) as r (integrated_number, numbers, befores)
        cross join lateral unnest(string_to_array(r.numbers, ',')::bigint[], string_to_array(r.befores, ',')) as o (number, before)
        join code_standing s on s.integrated_number = o.number and s.state = o.before
    for update of s
)
update code_standing c set state = r.state, reason = r.reason, message_id = r.message_id, by_hand = r.by_hand, tries = 0, next_at = r.next_at, changed_at = r.next_at
from unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::boolean[], $7::timestamptz[], $8::text[])
    as r (integrated_number, before, state, reason, message_id, by_hand, next_at, numbers)
where c.integrated_number = r.integrated_number and c.state = r.before
    and cardinality(string_to_array(r.numbers, ',')) = (select count(*) from others o where o.integrated_number = r.integrated_number)
returning c.integrated_number

-- name: put_request_file
insert into code_request_file (file_name, answer_by) values ($1, $2)

-- name: put_request_lines
insert into code_request_line (file_name, line, integrated_number) select $1, r.line, r.number from unnest($2::integer[], $3::bigint[]) as r (line, number)

-- name: request_files
select file_name, answer_by from code_request_file order by file_name

-- name: request_lines
select l.line, c.integrated_number, c.state, c.reason, c.number_index, c.message_id, c.by_hand, c.tries, c.next_at
from code_request_line l join code_standing c using (integrated_number) where l.file_name = $1 order by l.line

-- name: drop_request_file
delete from code_request_file where file_name = $1
