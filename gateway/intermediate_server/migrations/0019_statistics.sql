-- Business statistics (IS-10, SC-23): exchanges that have ended, counted from the log by month. Derived: it can be made anew from the log at any time.
create table exchange_count (
    month date not null,
    direction text not null,
    basis text not null,
    item text not null,
    partner text not null,
    information text not null,
    outcome text not null,
    exchanges bigint not null,
    primary key (month, direction, basis, item, partner, information, outcome),
    constraint exchange_count_month check (extract(day from month) = 1),
    constraint exchange_count_direction check (direction in ('inquiry', 'provision')),
    constraint exchange_count_some check (exchanges > 0)
);
-- up to where each fiscal year's log has been counted
create table exchange_counted (
    year integer primary key,
    size bigint not null
);
