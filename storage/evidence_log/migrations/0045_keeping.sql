-- 保存期間 (番号法施行令30条; SC-6): how far the bodies of a year have gone at a party whose log is all that there is to erase of the year (storage.log_keeping).
-- begun: the log says what is to go; certified: it is gone, and the log says that too.
create table log_erasure (
    year integer primary key references log_head (year),
    begun_at timestamptz not null,
    erased bigint not null default 0,
    sealed bigint not null default 0,
    rows_deleted bigint not null default 0,
    certified_at timestamptz
);
create trigger log_erasure_stays before delete or truncate on log_erasure execute function refuse_change();
