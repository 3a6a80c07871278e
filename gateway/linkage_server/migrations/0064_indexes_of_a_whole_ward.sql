-- What is asked for by these columns was found by reading a table that grows with the ward from end to end.
create index person_merged_into on person (merged_into) where merged_into is not null;
create index code_request_line_by_person on code_request_line (integrated_number);
create index review_hold_of_addressee on review_hold (business_system_id, addressee_number, held_at);
