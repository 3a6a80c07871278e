-- Records that a business system has left behind are withdrawn in a run of their own.
alter table business_run drop constraint business_run_kind, add constraint business_run_kind check (kind in ('transfer', 'comparison', 'withdrawal'));
