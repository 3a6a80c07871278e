-- A change that cannot be taken on its day is set aside until it is tried again, and holds back no other (LS-1.2).
-- set_aside_because: kind of failure and place in the code, never its text.
alter table waiting_change
    add column set_aside_at timestamptz,
    add column set_aside_because text,
    add constraint waiting_change_set_aside check ((set_aside_at is null) = (set_aside_because is null));
create index waiting_change_set_aside_first on waiting_change (effective_on, waiting_no) where set_aside_at is not null;
