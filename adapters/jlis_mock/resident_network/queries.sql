-- name: find_residents
select individual_number_index, resident_record_code_sealed, four_items_sealed
from resident where individual_number_index = any($1::bytea[])

-- name: insert_residents
insert into resident (individual_number_index, individual_number_sealed, resident_record_code_index,
    resident_record_code_sealed, four_items_sealed)
select * from unnest($1::bytea[], $2::bytea[], $3::bytea[], $4::bytea[], $5::bytea[])
on conflict do nothing
returning individual_number_index
