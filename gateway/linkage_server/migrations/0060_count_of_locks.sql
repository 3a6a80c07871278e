-- How often the lock on the counters was taken by somebody whose transaction came through: what was read under one count is as it was while
-- the count stays the same.
alter table number_counter add column locks bigint not null default 0;
