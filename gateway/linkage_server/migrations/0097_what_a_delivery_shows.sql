-- Items by name, `integrated_number`, `individual_number`: what the bytes of a delivery show. Null: they are about nobody, or there are none.
alter table push_delivery add column shows text[];

-- What was written before counts as showing everything: it goes as it is only to a system that may see everything, and is written anew for any other.
update push_delivery set shows = '{name,kana,sex,birth_date,address,integrated_number,individual_number}'
where sealed is not null and integrated_number is not null;
