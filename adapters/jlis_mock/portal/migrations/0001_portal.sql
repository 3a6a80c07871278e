-- Which of the portal's own numbers a citizen has. Nothing that was asked or shown is kept here.
-- `holder`: what the resident network calls the person to the portal; the number is issued from the counter.
create table citizen (
    holder bytea primary key,
    counter bigint generated always as identity,
    constraint citizen_counter_once unique (counter),
    constraint citizen_holder_size check (octet_length(holder) = 32)
);
