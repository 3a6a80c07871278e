-- name: find_residents
select individual_number_index, resident_record_code_sealed, four_items_sealed
from resident where individual_number_index = any($1::bytea[])

-- name: insert_residents
insert into resident (individual_number_index, individual_number_sealed, resident_record_code_index,
    resident_record_code_sealed, four_items_sealed, four_items_index)
select * from unnest($1::bytea[], $2::bytea[], $3::bytea[], $4::bytea[], $5::bytea[], $6::bytea[])
on conflict do nothing
returning individual_number_index

-- name: count_asks
insert into agency_asks (agency, day, function, asked, turned_away) values ($1, $2, $3, $4, $5)
on conflict (agency, day, function) do update
set asked = agency_asks.asked + excluded.asked, turned_away = agency_asks.turned_away + excluded.turned_away

-- name: residents_without_index
select individual_number_index, four_items_sealed from resident where four_items_index is null limit 1000

-- name: put_four_items_index
update resident r set four_items_index = v.four_items_index
from unnest($1::bytea[], $2::bytea[]) as v (individual_number_index, four_items_index)
where r.individual_number_index = v.individual_number_index

-- name: residents_of_four_items
-- At most two of each: a second one is as good as many.
select wanted.four_items_index, r.individual_number_index, r.individual_number_sealed
from unnest($1::bytea[]) as wanted (four_items_index)
cross join lateral (
    select individual_number_index, individual_number_sealed from resident where four_items_index = wanted.four_items_index limit 2
) r

-- name: changes_of_residents
-- Of whoever has or had these numbers: the present number, and what changed on or after the day asked for.
select w.place, r.individual_number_index, r.individual_number_sealed, c.kind, c.changed_on
from unnest($1::integer[], $2::bytea[], $3::date[]) as w (place, individual_number_index, since)
join lateral (
    select resident_record_code_index from resident where individual_number_index = w.individual_number_index
    union
    select resident_record_code_index from resident_change
    where individual_number_index = w.individual_number_index and kind = 'individual_number'
) who on true
join resident r on r.resident_record_code_index = who.resident_record_code_index
left join resident_change c on c.resident_record_code_index = r.resident_record_code_index and c.changed_on >= w.since
order by w.place, c.sequence

-- name: resident_whole
select individual_number_index, individual_number_sealed, resident_record_code_index, resident_record_code_sealed, four_items_sealed
from resident where individual_number_index = $1 for update

-- name: number_is_taken
select exists (select from resident where individual_number_index = $1)
    or exists (select from resident_change where individual_number_index = $1 and kind = 'individual_number')

-- name: change_resident
with changed as (
    update resident set individual_number_index = $2, individual_number_sealed = $3, resident_record_code_sealed = $4,
        four_items_sealed = $5, four_items_index = $6
    where individual_number_index = $1::bytea
    returning resident_record_code_index
)
insert into resident_change (resident_record_code_index, individual_number_index, kind, changed_on)
select changed.resident_record_code_index, $1::bytea, kind, $8::date from changed, unnest($7::text[]) as kind
