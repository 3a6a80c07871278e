-- A move-in or birth to come that was taken back before its day, and each cancellation that named it: nobody was registered, so no history holds them,
-- and when they come again nothing happens (LS-1.2). Nothing lies here of what they said.
create table withdrawn_registration (
    event_key text primary key,
    digest bytea not null,
    constraint withdrawn_registration_digest_length check (octet_length(digest) = 32)
);
