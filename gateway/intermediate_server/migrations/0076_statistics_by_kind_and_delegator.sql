-- Business statistics (IS-10) tell 委任元 of both sides ('' for none), by which kind of record an exchange ended, and what came of it
-- (docs/outcomes.md). The counts are derived: they are made anew from the log.
drop table exchange_count;
create table exchange_count (
    month date not null,
    basis text not null,
    item text not null,
    partner text not null,
    inquirer_for text not null,
    provider_for text not null,
    information text not null,
    kind text not null,
    outcome text not null,
    exchanges bigint not null,
    primary key (month, kind, basis, item, partner, inquirer_for, provider_for, information, outcome),
    constraint exchange_count_month check (extract(day from month) = 1),
    constraint exchange_count_some check (exchanges > 0)
);
delete from exchange_counted;
