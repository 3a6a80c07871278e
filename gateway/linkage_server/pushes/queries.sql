-- name: put_target
insert into push_target (business_system_id, kind, url, encoding, secret_sealed, state, person_revision, addressee_revision, event_no, configured_at,
    result_year, result_index, results_since)
select r.business_system_id, r.kind, r.url, r.encoding, r.secret_sealed, r.state,
    case when r.from_start then 0 else coalesce((select max(revision) from person), 0) end,
    case when r.from_start then 0 else coalesce((select max(revision) from addressee), 0) end,
    coalesce((select max(event_no) from person_event), 0), r.configured_at,
    r.result_year, r.result_index, case when r.result_year is not null then r.configured_at end
from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bytea[], $6::text[], $7::boolean[], $8::timestamptz[], $9::integer[], $10::bigint[])
    as r (business_system_id, kind, url, encoding, secret_sealed, state, from_start, configured_at, result_year, result_index)
on conflict (business_system_id) do update set
    kind = excluded.kind, url = excluded.url, encoding = excluded.encoding, secret_sealed = excluded.secret_sealed,
    state = excluded.state, configured_at = excluded.configured_at,
    result_year = case when excluded.result_year is not null then coalesce(push_target.result_year, excluded.result_year) end,
    result_index = case when excluded.result_year is not null then coalesce(push_target.result_index, excluded.result_index) end,
    results_since = case when excluded.result_year is not null then coalesce(push_target.results_since, excluded.results_since) end
returning business_system_id

-- name: targets
select business_system_id, kind, url, encoding, secret_sealed, state, person_revision, addressee_revision, configured_at,
    result_year, result_index, results_since
from push_target where ($1::text is null or business_system_id = $1) order by business_system_id

-- name: lock_target
select person_revision, addressee_revision from push_target where business_system_id = $1 and state = 'on' for update skip locked

-- name: take_persons
-- own: nothing happened since the last push but what the system itself sent and was taken as it came, under the one number by which it holds the
-- person. What a decision made, or let through, is told to all who hold the person, the system of whoever decided too.
with changed as (
    select integrated_number, revision, frozen and merged_into is null as frozen from person where revision > $2 order by revision limit $3
), put as (
    insert into push_delivery (delivery_id, business_system_id, integrated_number, event_no, due_at, made_at)
    select $1 || '-p' || c.revision, $1, c.integrated_number, coalesce(latest.event_no, 0), $4, $4
    from changed c
    join push_target t on t.business_system_id = $1
    cross join lateral (select max(event_no) as event_no from person_event where integrated_number = c.integrated_number) latest
    cross join lateral (
        select greatest(max(d.event_no), t.event_no) as event_no, coalesce(max(d.made_at), t.configured_at) as made_at
        from push_delivery d where d.business_system_id = $1 and d.integrated_number = c.integrated_number and d.state <> 'dropped'
    ) told
    cross join lateral (
        select count(*) as events, coalesce(bool_and(e.business_system_id = $1 and e.undone_by is null
            and e.kind not in ('registered', 'linked', 'unlinked', 'merged', 'split')
            and not exists (select from review_hold h where h.event_key = e.event_key)
            and (e.kind = 'addressee_end' or not exists (
                select from addressee o where o.integrated_number = c.integrated_number and o.business_system_id = $1 and o.state = 'held'
                    and o.addressee_number <> e.addressee_number))), false) as own
        from person_event e
        where e.integrated_number = c.integrated_number and e.applied_at is not null and (e.kind <> 'addressee_end' or e.business_system_id = $1)
            and (e.event_no > told.event_no or (e.applied_at > e.recorded_at and e.applied_at > told.made_at - interval '10 minutes'))
    ) since
    where exists (select from person_base b where b.integrated_number = c.integrated_number)
        and exists (select from addressee a where a.integrated_number = c.integrated_number and a.business_system_id = $1 and a.state = 'held')
        and not since.own and not (c.frozen and since.events = 0) -- that somebody is frozen is not told; whoever thaws has another revision
    order by c.revision
    on conflict (delivery_id) do nothing
)
select max(revision) as revision, count(*) as taken from changed

-- name: take_addressees
-- A number that was given, to whoever learns integrated numbers; and to the system whose it is the end that a decision let through, where it still
-- holds the person. One that `take_persons` told of in the same turn says both already.
with changed as (
    select integrated_number, business_system_id, state, revision from addressee where revision > $2 order by revision limit $3
), put as (
    insert into push_delivery (delivery_id, business_system_id, integrated_number, event_no, due_at, made_at)
    select $1 || '-a' || max(c.revision), $1, c.integrated_number, greatest(max(told.event_no), max(let_through.event_no)), $4, $4
    from changed c
    cross join lateral (
        select coalesce(max(d.event_no), 0) as event_no, max(d.made_at) as made_at, coalesce(bool_or(d.made_at = $4), false) as this_turn
        from push_delivery d where d.business_system_id = $1 and d.integrated_number = c.integrated_number and d.state <> 'dropped'
    ) told
    join push_target t on t.business_system_id = $1
    cross join lateral (
        select max(e.event_no) as event_no
        from person_event e join review_hold h using (event_key)
        where e.integrated_number = c.integrated_number and e.business_system_id = $1 and e.kind = 'addressee_end'
            and e.applied_at is not null and e.undone_by is null
            and (e.event_no > greatest(told.event_no, t.event_no)
                or (e.applied_at > e.recorded_at and e.applied_at > coalesce(told.made_at, t.configured_at) - interval '10 minutes'))
    ) let_through
    where c.business_system_id = $1 and not told.this_turn
        and (c.state = 'held' and $5 or let_through.event_no is not null)
        and exists (select from addressee a where a.integrated_number = c.integrated_number and a.business_system_id = $1 and a.state = 'held')
    group by c.integrated_number
    order by max(c.revision)
    on conflict (delivery_id) do nothing
)
select max(revision) as revision, count(*) as taken from changed

-- name: advance
update push_target set person_revision = greatest(person_revision, $2), addressee_revision = greatest(addressee_revision, $3)
where business_system_id = $1

-- name: results_of
select result_year, result_index, results_since from push_target where business_system_id = $1 and state = 'on' and result_year is not null

-- name: advance_results
update push_target set result_year = $4, result_index = $5
where business_system_id = $1 and result_year = $2 and result_index = $3 returning business_system_id

-- name: put_notices
insert into push_delivery (delivery_id, business_system_id, event_no, state, sealed, due_at, made_at)
select r.delivery_id, $1, 0, 'ready', r.sealed, $4, $4 from unnest($2::text[], $3::bytea[]) with ordinality as r (delivery_id, sealed, place)
order by r.place
on conflict (delivery_id) do nothing

-- name: drop_notices
update push_delivery set state = 'dropped', sealed = null, reason = 'not_wanted', ended_at = $2
where business_system_id = $1 and integrated_number is null and state = 'ready'

-- name: to_write
-- Nothing for a turn that goes by a configuration of before: what was sent again since then is meant for the new one.
select d.delivery_id, d.place, d.event_no, p.integrated_number, p.four_items_sealed, p.individual_number_sealed, p.state, p.state_since,
    (select array_agg(a.addressee_number order by a.addressee_number) from addressee a
        where a.integrated_number = p.integrated_number and a.business_system_id = $1 and a.state = 'held') as addressee_numbers,
    said.kinds, said.dates
from push_delivery d
join person p using (integrated_number)
join push_target t on t.business_system_id = d.business_system_id
cross join lateral (
    select greatest(max(b.event_no), t.event_no) as event_no, coalesce(max(b.made_at), t.configured_at) as made_at
    from push_delivery b
    where b.business_system_id = $1 and b.integrated_number = d.integrated_number and b.place < d.place and b.state <> 'dropped'
) earlier
cross join lateral (
    -- the changes since the push before; one that had waited for its day is older by its number, and newer by its day
    select array_agg(e.kind order by e.event_no) as kinds, array_agg(e.effective_on order by e.event_no) as dates
    from person_event e
    where e.integrated_number = d.integrated_number and e.applied_at is not null and e.undone_by is null and e.event_no <= d.event_no
        and (e.kind <> 'addressee_end' or e.business_system_id = $1) -- another system's number is its own affair
        and (e.event_no > earlier.event_no
            or (e.applied_at > e.recorded_at and e.applied_at > earlier.made_at - interval '10 minutes'))
) said
where d.business_system_id = $1 and d.state = 'waiting' and t.configured_at = $3 and (not p.frozen or p.merged_into is not null)
    and not exists (
        select from push_delivery b
        where b.business_system_id = $1 and b.integrated_number = d.integrated_number and b.place < d.place and b.state in ('waiting', 'ready', 'dead'))
order by d.place limit $2

-- name: write_delivery
update push_delivery d set state = r.state, file = r.file, sealed = r.sealed, reason = r.reason, refused_at = r.refused_at, due_at = r.at,
    ended_at = case when r.state in ('dead', 'dropped') then r.at end, shows = string_to_array(r.shows, ' ')
from unnest($1::text[], $2::text[], $3::text[], $4::bytea[], $5::text[], $6::text[], $7::timestamptz[], $8::text[])
    as r (delivery_id, state, file, sealed, reason, refused_at, at, shows)
where d.delivery_id = r.delivery_id and d.state = 'waiting'
returning d.delivery_id

-- name: to_send
-- held: the system still holds the person, or it is about nobody. seen: it shows nothing but what the system may see ($4).
select d.delivery_id, d.sealed, d.attempts, d.integrated_number, coalesce(d.shows <@ $4::text[], true) as seen, d.integrated_number is null or exists (
    select from addressee a where a.integrated_number = d.integrated_number and a.business_system_id = $1 and a.state = 'held') as held
from push_delivery d left join person p using (integrated_number)
where d.business_system_id = $1 and d.state = 'ready' and d.file is null and d.due_at <= $2 and (p.frozen is not true or p.merged_into is not null)
order by d.place limit $3

-- name: unseen
-- Whom pushes that wait to be sent are about which show more than the system may see ($2).
select integrated_number from push_delivery
where business_system_id = $1 and state = 'ready' and file is null and integrated_number is not null and not shows <@ $2::text[] limit $3

-- name: drop_unheld
update push_delivery set state = 'dropped', sealed = null, reason = 'not_held', ended_at = $2
where delivery_id = any($1::text[]) and state = 'ready'

-- name: files_to_send
select distinct file from push_delivery where business_system_id = $1 and state = 'ready' and file is not null order by file

-- name: of_file
select delivery_id, sealed from push_delivery where business_system_id = $1 and file = $2 and state = 'ready' order by place

-- name: end_deliveries
update push_delivery set state = 'delivered', sealed = null, reason = null, ended_at = $2, attempts = attempts + 1
where delivery_id = any($1::text[]) and state = 'ready'

-- name: put_off
update push_delivery set attempts = attempts + 1, due_at = $2, reason = $3 where delivery_id = $1 and state = 'ready'

-- name: give_up
update push_delivery set state = 'dead', attempts = attempts + 1, reason = $2, ended_at = $3 where delivery_id = $1 and state = 'ready'

-- name: given_up
-- What `revive` would take up; of those with a person whose content was sent before, whose it is.
select delivery_id, case when attempts > 0 then integrated_number end as sent_about from push_delivery
where business_system_id = $1 and state = 'dead' and ($2::text[] is null or delivery_id = any($2::text[])) order by place

-- name: revive
update push_delivery set state = case when attempts > 0 then 'ready' else 'waiting' end, sealed = case when attempts > 0 then sealed end,
    file = null, attempts = 0, due_at = $3, ended_at = null, reason = null, refused_at = null
where business_system_id = $1 and state = 'dead' and delivery_id = any($2::text[])
returning delivery_id

-- name: forget_ended
-- The next ones whose time is over go, with what was kept before them, or are kept as the last of their person; none is looked at twice.
with past as materialized (
    select d.delivery_id, d.business_system_id, d.integrated_number, d.place, d.state, d.integrated_number is null or exists (
        select from push_delivery l
        where l.business_system_id = d.business_system_id and l.integrated_number = d.integrated_number and l.place > d.place
            and (l.state <> 'dropped' or d.state = 'dropped')) as goes
    from push_delivery d where d.ended_at < $1 and d.state in ('delivered', 'dropped') and not d.kept order by d.ended_at limit $2
), gone as (
    delete from push_delivery d using past where d.delivery_id = past.delivery_id and past.goes
), gone_before as (
    delete from push_delivery d using past l
    where d.kept and d.business_system_id = l.business_system_id and d.integrated_number = l.integrated_number and d.place < l.place
        and (l.state <> 'dropped' or d.state = 'dropped')
), stays as (
    update push_delivery d set kept = true from past where d.delivery_id = past.delivery_id and not past.goes
)
select count(*) from past

-- name: counts
select business_system_id, state, count(*) as deliveries, min(made_at) as oldest from push_delivery
where state in ('waiting', 'ready', 'dead') and ($1::text is null or business_system_id = $1) group by business_system_id, state

-- name: dead
select delivery_id, made_at, ended_at, attempts, reason, refused_at from push_delivery
where business_system_id = $1 and state = 'dead' and place > coalesce((select place from push_delivery where delivery_id = $2), -1)
order by place limit $3

-- name: pull_out
-- Who was frozen since the file was written, or is not held any more; and whatever shows more than the system may see ($3).
update push_delivery d set state = 'waiting', sealed = null, file = null from person p
where d.business_system_id = $1 and d.file = $2 and d.state = 'ready' and p.integrated_number = d.integrated_number
    and (p.frozen or not d.shows <@ $3::text[] or not exists (
        select from addressee a where a.integrated_number = d.integrated_number and a.business_system_id = $1 and a.state = 'held'))

-- name: supersede
-- What was written of somebody before they were frozen, or as they were, leaves no more: what is due is written anew, under another id, when they thaw.
-- So is what waits: whoever has read it to write it, and comes too late, finds it no more. One push says all of it. $3: to this system alone.
with old as (
    update push_delivery d set state = 'dropped', sealed = null, reason = 'superseded', ended_at = $2
    from push_target t cross join unnest($1::bigint[]) as n (integrated_number)
    where d.business_system_id = t.business_system_id and d.integrated_number = n.integrated_number and d.state in ('waiting', 'ready', 'dead')
        and ($3::text is null or d.business_system_id = $3)
    returning d.business_system_id, d.integrated_number, d.event_no, d.made_at
)
insert into push_delivery (delivery_id, business_system_id, integrated_number, event_no, due_at, made_at)
select business_system_id || '-r' || nextval('person_revision'), business_system_id, integrated_number, max(event_no), $2, max(made_at)
from old group by business_system_id, integrated_number

-- name: write_again
update push_delivery set state = 'waiting', sealed = null, file = null
where business_system_id = $1 and state = 'ready' and (file is not null) = $2 and integrated_number is not null
