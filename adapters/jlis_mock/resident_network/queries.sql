-- name: find_residents
select individual_number_index, resident_record_code_sealed, four_items_sealed
from resident where individual_number_index = any($1::bytea[])

-- name: insert_residents
insert into resident (individual_number_index, individual_number_sealed, resident_record_code_index,
    resident_record_code_sealed, four_items_sealed)
select * from unnest($1::bytea[], $2::bytea[], $3::bytea[], $4::bytea[], $5::bytea[])
on conflict do nothing
returning individual_number_index

-- name: count_asks
insert into agency_asks (agency, day, function, asked, turned_away) values ($1, $2, $3, $4, $5)
on conflict (agency, day, function) do update
set asked = agency_asks.asked + excluded.asked, turned_away = agency_asks.turned_away + excluded.turned_away
