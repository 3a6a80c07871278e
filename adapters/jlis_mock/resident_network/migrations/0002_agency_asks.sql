-- How much each agency asked for, by day (JST) and function: kept, so that a misuse of the network can be seen afterwards.
-- Counts only: who was asked about is not here.
create table agency_asks (
    agency text not null,
    day date not null,
    function text not null,
    asked bigint not null,
    turned_away bigint not null,
    primary key (agency, day, function),
    constraint agency_asks_counts check (asked >= 0 and turned_away >= 0)
);
