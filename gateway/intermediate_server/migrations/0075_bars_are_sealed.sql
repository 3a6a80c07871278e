-- Whose a bar is lies sealed, found by a keyed index (docs/adr/0026, 0064): who is under support measures is told by no copy of the database.
-- A number that stood in clear is sealed by the server when it opens this agency, which has the key.
alter table bar add column person_index bytea, add column number_sealed bytea,
    drop constraint bar_names_one,
    add constraint bar_names_one check ((integrated_number is not null or number_sealed is not null) = (place = 'person')
        and (integrated_number is null or number_sealed is null) and (number_sealed is null) = (person_index is null)
        and (inquirer is not null) = (place = 'inquirer') and (data_item = '*' or place = 'item'));
drop index bar_of_person;
create index bar_of_person on bar (person_index) where person_index is not null;
create index bar_in_clear on bar (bar_id) where integrated_number is not null;
