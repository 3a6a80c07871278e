-- Jobs (IS-10): when a file was taken and through, how many lines it has, how often it was taken up. Rows of before have no times and are not listed.
alter table intake
    add column taken_at timestamptz,
    add column done_at timestamptz,
    add column lines bigint,
    add column tries integer not null default 1;
create index intake_files on intake (taken_at) where starts_with(key, 'file/');
create index business_run_started on business_run (started_at);
create index code_run_started on code_run (started_at);
