-- A change that is held is known by what it said, as one that was taken or waits: another one under its event id is refused (LS-1.2).
-- digest: of what a row is known by, or of what a change says; null for rows and changes held before the update.
alter table review_hold drop constraint review_hold_digest;
