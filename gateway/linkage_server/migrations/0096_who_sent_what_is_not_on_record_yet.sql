-- Who sent a list by call, and why, as they said it: until the list is on record, which it is also when the server died in between (SC-7).
alter table intake add column said_sealed bytea;
create index intake_open on intake (taken_at) where state = 'open';
