-- What is still sealed under one version ($1) of a purpose: bytes 2 to 5 of every seal name its version.

-- name: permit_codes
select count(*) from permit where substring(code_sealed from 2 for 4) = int4send($1)

-- name: resident_numbers
select count(*) from resident where substring(individual_number_sealed from 2 for 4) = int4send($1)

-- name: resident_codes
select count(*) from resident where substring(resident_record_code_sealed from 2 for 4) = int4send($1)

-- name: resident_items
select count(*) from resident where substring(four_items_sealed from 2 for 4) = int4send($1)

-- name: personal_parts_of_year
select (select count(*) from log_entry where year = $2::integer and substring(personal from 2 for 4) = int4send($1))
    + (select count(*) from record_correction where sealed_under = 'personal/' || $2::integer and substring(number_sealed from 2 for 4) = int4send($1))

-- name: reasons_of_looks
-- Those on record, and those of lists that are not on record yet.
select (select count(*) from log_entry where substring(personal from 2 for 4) = int4send($1))
    + (select count(*) from intake where state = 'open' and substring(said_sealed from 2 for 4) = int4send($1))

-- name: inquiry_lines
-- Lines that are sealed under it, and those of files under way that it names.
select (select count(*) from inquiry_file_line where substring(sealed from 2 for 4) = int4send($1))
    + (select coalesce(sum(lines), 0) from inquiry_file where state = 'asking' and named_under = $1)

-- name: rotated_at
select at from key_change where change = 'key.rotated' and purpose = $1 and version = $2

-- An index that is kept says its version: 4 bytes before its 32, of version 1 none.

-- name: codes_found_by
-- Replaced codes that are answered to yet (ended after $2), requests for codes, and inquiries whose result stands at $3, that this version finds.
select (select count(*) from former_code where state = 'replaced' and ended_at > $2
        and substring(case octet_length(code_index) when 32 then '\x00000001'::bytea else code_index end from 1 for 4) = int4send($1))
    + (select count(*) from person_code where bound_at is null
        and substring(case octet_length(acquisition_index) when 32 then '\x00000001'::bytea else acquisition_index end from 1 for 4) = int4send($1))
    + (select count(*) from inquiry where result_until > $3
        and substring(case octet_length(message_digest) when 32 then '\x00000001'::bytea else message_digest end from 1 for 4) = int4send($1))

-- name: relations_found_by
select count(*) from staff_relation
where substring(case octet_length(person_index) when 32 then '\x00000001'::bytea else person_index end from 1 for 4) = int4send($1)
