-- 4情報による番号の照会, and what has changed of a resident. The index is null in rows of before until the server has filled it in.
alter table resident add column four_items_index bytea;
create index resident_four_items on resident (four_items_index);
-- A change of a number (番号法7条2項) or of the four items: of whom, under which number until then, since which day.
create table resident_change (
    sequence bigint generated always as identity primary key,
    resident_record_code_index bytea not null,
    individual_number_index bytea not null,
    kind text not null,
    changed_on date not null,
    constraint resident_change_kind check (kind in ('individual_number', 'four_items'))
);
create index resident_change_person on resident_change (resident_record_code_index);
create index resident_change_number on resident_change (individual_number_index) where kind = 'individual_number';
