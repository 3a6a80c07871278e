-- name: uncounted
-- Fiscal years of the log with entries that are not counted yet: from where to where.
select h.year, coalesce(c.size, 0) as counted, h.size from log_head h left join exchange_counted c using (year)
where h.size > coalesce(c.size, 0) order by h.year

-- name: count_exchanges
-- Count one stretch of a year's log into the months: the ends of exchanges by affair, parties, kind of information and what came of them.
-- $4, $5 and $6: kinds, reasons and outcomes; the empty reason stands for every other.
insert into exchange_count (month, basis, item, partner, inquirer_for, provider_for, information, kind, outcome, exchanges)
select date_trunc('month', e.at at time zone interval '9 hours')::date, coalesce(e.entry ->> 'basis', ''), e.entry ->> 'item',
    e.entry ->> case when e.kind like 'inquiry.%' then 'provider' else 'inquirer' end,
    coalesce(e.entry ->> 'inquirer_for', ''), coalesce(e.entry ->> 'provider_for', ''), e.entry ->> 'information',
    e.kind, coalesce(said.outcome, usual.outcome), count(*)
from (
    select at, kind, convert_from(body, 'UTF8')::jsonb as entry from log_entry
    where year = $1 and idx >= $2 and idx < $3 and kind = any($4::text[]) and body is not null
) e
join unnest($4::text[], $5::text[], $6::text[]) as usual (kind, reason, outcome) on usual.kind = e.kind and usual.reason = ''
left join unnest($4::text[], $5::text[], $6::text[]) as said (kind, reason, outcome)
    on said.kind = e.kind and said.reason = e.entry ->> 'reason'
group by 1, 2, 3, 4, 5, 6, 7, 8, 9
on conflict (month, kind, basis, item, partner, inquirer_for, provider_for, information, outcome)
do update set exchanges = exchange_count.exchanges + excluded.exchanges

-- name: begin_counting
insert into exchange_counted (year, size) values ($1, 0) on conflict (year) do nothing

-- name: advance_counting
-- Nothing when another process has counted the stretch meanwhile.
update exchange_counted set size = $3 where year = $1 and size = $2 returning year

-- name: exchange_counts
select month, basis, item, partner, inquirer_for, provider_for, information, kind, outcome, exchanges
from exchange_count where month >= $1 and month <= $2

-- name: settled_names
select month, name, known from exchange_name where month >= $1 and month <= $2

-- name: settle_names
-- The first word about a name of a month stands.
insert into exchange_name (month, name, known) select * from unnest($1::date[], $2::text[], $3::boolean[]) on conflict do nothing

-- name: parties_met
-- Agencies with which an exchange has ever gone through, whether they are registered still or not. $1: the outcomes of one that has.
select distinct party from exchange_count cross join lateral (values (partner), (inquirer_for), (provider_for)) as p (party)
where outcome = any($1::text[]) and party <> ''

-- name: count_from_the_start
-- The next counting begins at the start of each year's log. Waits for one that is under way.
delete from exchange_counted

-- name: forget_counts
-- Behind count_from_the_start and a statement of its own: it sees what that one has waited for.
delete from exchange_count

-- name: counting
-- How far the log is counted.
select coalesce(sum(c.size), 0)::bigint as counted, coalesce(sum(h.size), 0)::bigint as size
from log_head h left join exchange_counted c using (year)

-- name: open_job
insert into job (job_id, kind, started_by, started_at) select * from unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[])
on conflict (job_id) do nothing returning job_id

-- name: advance_job
update job set done = $2, total = $3, counts = $4 where job_id = $1 and state = 'running'

-- name: end_job
update job set state = case when $3::text is null then 'done' else 'failed' end, reason = $3, finished_at = $2
where job_id = $1 and state = 'running'

-- name: interrupt_jobs
-- Nobody works on what an earlier process began.
update job set state = 'failed', reason = 'server_stopped', finished_at = $1 where state = 'running'

-- name: jobs
select * from job where kind = $1 and started_at >= $2 order by started_at desc, job_id desc limit $3

-- name: forget_jobs
delete from job where finished_at < $1

-- name: leave_out_of_replica
delete from replica where record_id = any($1::text[])

-- name: leave_out_of_merged_number
delete from merged_number where integrated_number = any($1::text[])

-- name: leave_out_of_person_code
-- They were cancelled, and why went with the backup: each may have been another person's ($2: when it is found so). With what it had replaced by
-- then: after a cancellation that names nobody either.
with gone as (
    delete from person_code where acquisition_index = any($1::bytea[]) returning integrated_number, acquisition_index, code_index, epoch
), along as (
    update former_code f set state = 'cancelled', reason = 'link_undone', ended_at = $2, mark = null from gone g
    where f.integrated_number = g.integrated_number and f.state = 'replaced'
)
insert into former_code (acquisition_index, integrated_number, code_index, epoch, state, reason, ended_at)
select acquisition_index, integrated_number, code_index, epoch, 'cancelled', 'link_undone', $2 from gone where code_index is not null
on conflict (acquisition_index) do nothing

-- name: end_people
-- Who left after the backup has left: no password, no card, no grant. When it was is not known: their relations are kept from now ($4) on.
with gone as (
    update staff_member set state = 'left', left_at = $4, password_hash = '', version = version + 1, changed_by = $2, mark = null
    where staff_id = any($1::text[]) and state = 'active' returning staff_id
), cards as (
    update staff_card c set state = 'revoked', mark = null from gone where c.staff_id = gone.staff_id
)
update staff_grant g set state = 'revoked', version = g.version + 1, revoked_by = $2, revoked_card = $3, mark = null
from gone where g.staff_id = gone.staff_id and g.state in ('requested', 'effective')

-- name: end_cards
update staff_card set state = 'revoked', mark = null where card_id = any($1::text[])

-- name: end_grants
-- What was revoked or edited after the backup: a second person has still to look at that (SC-11).
update staff_grant set state = 'revoked', version = version + 1, revoked_by = $2, revoked_card = $3, mark = null
where grant_id = any($1::text[]) and state in ('requested', 'effective')

-- name: ask_password_anew
update staff_member set password_until = $2, mark = $3 where staff_id = $1

-- name: ask_grants_anew
-- What was revoked since the backup is not known any more: a second person says again who may do what.
update staff_grant set state = 'requested', version = version + 1, approved_by = null, approved_card = null, approved_digest = null, mark = null
where state = 'effective' and not (function = any($1::text[]))

-- name: suspend_use
-- The bar has the id of the backup, which `log.reopened` names.
insert into bar (bar_id, place, effect, cause, information, data_item, state, set_by, set_at, changed_by, changed_at, version)
values ($1, 'agency', 'suspend', 'incident', '*', '*', 'standing', $2, $3, $2, $3, 1)

-- name: complete_job
-- In its own snapshot a backup is still being made; what is restored was complete.
update job set state = 'done', finished_at = $2, done = $3, total = $3, counts = $4 where job_id = $1 and state = 'running'

-- name: code_renewals
-- Of those that began before the history that is kept, the latest, for as long as it is not through or has left codes as they were.
select epoch, state, total, renewed, refused, begun_at, settled_at from code_renewal
where begun_at >= $1 or epoch = (select max(epoch) from code_renewal) and (state <> 'settled' or refused > 0) order by epoch desc limit $2

-- name: bars_unchecked
-- Bars that work and wait for one of the staff to look at them, those that came along with a copy among them, and since when.
select count(*) as bars, min(set_at) as since from bar where state = 'unchecked'

-- name: codes_not_renewed
select count(*) from person_code where renewal_refused is not null

-- name: people_not_renewed
-- `replacing`: another code of theirs is on its way.
select p.integrated_number, p.epoch, p.renewal_refused as reason, p.renewal_refused_at as refused_at,
    exists (select from person_code o where o.integrated_number = p.integrated_number and o.bound_at is null) as replacing
from person_code p where p.renewal_refused is not null and p.integrated_number > $1 order by p.integrated_number limit $2

-- name: renew_again
-- What the core did not renew is asked for once more at the next turn: of the next $2 people after $1; the last one of them, null at the end.
with page as (
    select integrated_number, acquisition_index from person_code where renewal_refused is not null and integrated_number > $1
    order by integrated_number limit $2
),
again as (
    update person_code p set renewal_refused = null from page
    where p.acquisition_index = page.acquisition_index and p.renewal_refused is not null returning 1
),
counted as (
    update code_renewal set refused = greatest(0, refused - (select count(*) from again)) where epoch = (select max(epoch) from code_renewal)
)
select max(integrated_number) from page

-- name: codes_held
select state, epoch, count(*) as codes from (
    select case when bound_at is null then 'requested' else 'bound' end as state, epoch from person_code
    union all select state, epoch from former_code
) as every_code group by state, epoch

-- name: outbox
-- What is sent again until it is received: inquiries under way, and outcomes that staff have decided.
select (select count(*) from inquiry where due_at is not null) as inquiries, (select count(*) from provision where push_at is not null) as outcomes

-- name: post_notice
insert into notice (notice_id, kind, body, posted_by, posted_at, shown_from, shown_until)
select r.notice_id, r.kind, r.body, r.posted_by, r.posted_at, r.shown_from, r.shown_until
from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::timestamptz[], $7::timestamptz[])
    as r (notice_id, kind, body, posted_by, posted_at, shown_from, shown_until)
on conflict do nothing
returning notice_id

-- name: withdraw_notice
update notice n set withdrawn_by = r.withdrawn_by, withdrawn_at = r.withdrawn_at
from unnest($1::text[], $2::text[], $3::timestamptz[]) as r (notice_id, withdrawn_by, withdrawn_at)
where n.notice_id = r.notice_id and n.withdrawn_at is null
returning n.notice_id

-- name: notices
-- Those that are shown now or later; newest first.
select notice_id, kind, body, posted_by, posted_at, shown_from, shown_until from notice
where withdrawn_at is null and shown_until > $1 order by posted_at desc, notice_id desc limit 200

-- name: notice_one
select kind, body, posted_by, shown_from, shown_until, withdrawn_at from notice where notice_id = $1

-- name: list_not_taken
-- A version that was refused after the newest one that was taken.
select reason, refused_at from list_refusal where refused_at > coalesce((select max(received_at) from list_version), '-infinity')
order by refused_at desc limit 1
