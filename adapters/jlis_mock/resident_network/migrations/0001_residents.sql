-- Synthetic residents. Numbers are sealed and found by keyed blind indexes; the four items are sealed in one piece.
create table resident (
    individual_number_index bytea primary key,
    individual_number_sealed bytea not null,
    resident_record_code_index bytea not null,
    resident_record_code_sealed bytea not null,
    four_items_sealed bytea not null,
    constraint resident_record_code_once unique (resident_record_code_index),
    constraint resident_index_sizes check (octet_length(individual_number_index) = 32 and octet_length(resident_record_code_index) = 32)
);
