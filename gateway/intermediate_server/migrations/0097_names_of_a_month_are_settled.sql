-- Statistics of a month are told by the same names whenever they are told (SC-23, docs/adr/0122): whether an agency, an affair or a kind of information
-- (`name`: a JSON array of its parts) was known when the month was first told. Not derived: it stays when the counts are made anew from the log.
create table exchange_name (
    month date not null,
    name text not null,
    known boolean not null,
    primary key (month, name),
    constraint exchange_name_month check (extract(day from month) = 1)
);
