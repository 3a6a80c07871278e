-- name: standing_bars
-- The epoch in every row, and the bars that work; without any, the epoch alone.
select coalesce(e.epoch, 0) as epoch, b.bar_id, b.place, b.effect, b.cause, b.integrated_number, b.number_sealed, b.inquirer, b.information, b.data_item, b.state, b.set_by, b.set_at, b.asked_by, b.changed_by,
    b.changed_at, b.version
from (values (1)) as always (one) left join bar_epoch e on true left join bar b on b.state <> 'lifted'

-- name: bars_told
-- What the log says of bars, in its order, after what was read of each year ($1, $2) before.
select h.year, e.idx, e.body from log_head h left join unnest($1::integer[], $2::bigint[]) as r (year, idx) on r.year = h.year
cross join lateral (
    select e.idx, e.body from log_entry e
    where e.kind = 'bars.changed' and e.body is not null and e.year = h.year and e.idx > coalesce(r.idx, -1) order by e.idx
) e order by h.year, e.idx

-- name: set_bar
insert into bar (bar_id, place, effect, cause, person_index, number_sealed, inquirer, information, data_item, state, set_by, set_at, version)
select r.*, 1 from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bytea[], $6::bytea[], $7::text[], $8::text[], $9::text[], $10::text[], $11::text[], $12::timestamptz[])
    as r (bar_id, place, effect, cause, person_index, number_sealed, inquirer, information, data_item, state, set_by, set_at)
on conflict do nothing
returning bar_id

-- name: same_bars
-- Whether the bars are those that were looked at.
select r.act from unnest($1::text[], $2::bigint[]) as r (act, epoch) where r.epoch = coalesce((select e.epoch from bar_epoch e), 0)

-- name: change_bar
update bar b set state = r.state, asked_by = r.asked_by, changed_by = r.changed_by, changed_at = r.changed_at, version = b.version + 1
from unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::timestamptz[]) as r (bar_id, version, state, asked_by, changed_by, changed_at)
where b.bar_id = r.bar_id and b.version = r.version
returning b.bar_id

-- name: bars_moved
-- Follows either of them: it counts for the next answer (the epoch), and nothing that was approved before it is released (revision, approvals).
-- $2: whose bar it is.
with moved as (
    select b.bar_id, b.place, b.inquirer, b.information, r.integrated_number from bar b join unnest($1::text[], $2::text[]) as r (bar_id, integrated_number) using (bar_id)
),
later as (insert into bar_epoch (epoch) values (1) on conflict (one) do update set epoch = bar_epoch.epoch + 1 returning epoch),
touched as (
    update provision p set revision = p.revision + 1 from moved b
    where p.state = 'held' and b.information in ('*', p.information)
        and (b.place in ('item', 'agency') or b.integrated_number = p.integrated_number or b.inquirer in (p.inquirer, p.inquirer_for))
    returning p.permit_id
),
voided as (delete from held_approval h using touched t where h.permit_id = t.permit_id and h.second_staff is null returning h.permit_id)
select bar_id from moved

-- name: bars_page
-- Those of the kinds of information that a right ($4) covers for every affair.
select bar_id, place, effect, cause, integrated_number, number_sealed, inquirer, information, data_item, state, set_by, set_at, asked_by, changed_by, changed_at, version
from bar where bar_id > $1 and ($2 or state <> 'lifted') and array['*/*', '*/' || information] && $4::text[] order by bar_id limit $3

-- name: bars_of_person
select bar_id, place, effect, cause, integrated_number, number_sealed, inquirer, information, data_item, state, set_by, set_at, asked_by, changed_by, changed_at, version
from bar where person_index = any($1::bytea[]) order by bar_id

-- name: bar_one
select bar_id, place, effect, cause, integrated_number, number_sealed, inquirer, information, data_item, state, set_by, set_at, asked_by, changed_by, changed_at, version
from bar where bar_id = $1

-- name: bars_in_clear
select bar_id, integrated_number from bar where integrated_number is not null order by bar_id limit 500

-- name: seal_bars
update bar b set integrated_number = null, person_index = r.person_index, number_sealed = r.number_sealed
from unnest($1::text[], $2::bytea[], $3::bytea[]) as r (bar_id, person_index, number_sealed) where b.bar_id = r.bar_id

-- name: remember_merge
insert into merged_number (integrated_number, lives_on) select r.* from unnest($1::text[], $2::text[]) as r (integrated_number, lives_on)
on conflict (integrated_number) do update set lives_on = excluded.lives_on
returning integrated_number

-- name: forget_merge
-- Whoever is split off lives on by themselves.
with gone as (delete from merged_number where integrated_number = any($1::text[])) select r.number from unnest($1::text[]) as r (number)

-- name: live_on
-- Of numbers ($1) that are merged into others ($2): who lives on, by way of these merges and of those that are remembered.
with recursive told as (select t.* from unnest($1::text[], $2::text[]) as t (integrated_number, lives_on)),
on_the_way (number, other) as (
    select integrated_number, lives_on from told
    union select o.number, coalesce(t.lives_on, m.lives_on)
    from on_the_way o left join told t on t.integrated_number = o.other left join merged_number m on m.integrated_number = o.other
    where coalesce(t.lives_on, m.lives_on) is not null
)
select o.number, o.other from on_the_way o
where not exists (select from told t where t.integrated_number = o.other) and not exists (select from merged_number m where m.integrated_number = o.other)

-- name: lives_on
-- Of each of these that was merged: who lives on, by way of other merges, too.
with recursive on_the_way (number, other) as (
    select integrated_number, lives_on from merged_number where integrated_number = any($1::text[])
    union select o.number, m.lives_on from merged_number m join on_the_way o on m.integrated_number = o.other
)
select number, other from on_the_way o where not exists (select from merged_number m where m.integrated_number = o.other)

-- name: merged_into
-- By way of other merges, too.
with recursive merged (number) as (
    select integrated_number from merged_number where lives_on = $1
    union select m.integrated_number from merged_number m join merged o on m.lives_on = o.number
)
select number from merged where number <> $1 order by number
