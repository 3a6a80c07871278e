-- 個人番号 that a person had and has no more: whoever comes with one is a hold, never somebody new (LS-1.3). As in `person`, sealed beside its blind
-- index. What a person's history says: written anew whenever that changes, so a number that was given back or was never theirs is not here.
create table former_individual_number (
    former_no bigint generated always as identity primary key,
    integrated_number bigint not null references person (integrated_number),
    individual_number_index bytea not null,
    individual_number_sealed bytea not null,
    constraint former_individual_number_index_length check (octet_length(individual_number_index) in (32, 36))
);
create index former_individual_number_by_index on former_individual_number (individual_number_index);
create index former_individual_number_of_person on former_individual_number (integrated_number);

-- The first number of whoever has another by now. Numbers in between lie sealed in the history; they come here with the person's next change.
insert into former_individual_number (integrated_number, individual_number_index, individual_number_sealed)
select b.integrated_number, b.individual_number_index, b.individual_number_sealed from person_base b join person p using (integrated_number)
where b.individual_number_index is not null and b.individual_number_index is distinct from p.individual_number_index;
