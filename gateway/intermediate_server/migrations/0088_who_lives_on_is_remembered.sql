-- Who lives on of a number that was merged, as the linkage server tells with the end of its code: a bar that is set at such a number later works at that
-- one too (SC-4; docs/adr/0108). Of merges that were told before this it is not known, until they are told again.
create table merged_number (
    integrated_number text primary key,
    lives_on text not null,
    constraint merged_number_into_another check (lives_on <> integrated_number)
);
