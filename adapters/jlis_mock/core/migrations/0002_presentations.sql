-- When a permit was first presented, if its provider could not be asked then: the same bytes are let through again until answer_by.
alter table permit add column presented_at timestamptz;

-- Until when the network is known to have been up (one row): time in which it could not be asked does not count against redeem_by.
create table alive (
    one boolean primary key default true,
    at timestamptz not null,
    constraint alive_is_one_row check (one)
);
