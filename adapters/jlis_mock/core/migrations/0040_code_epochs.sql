-- Epochs of codes (IS-1): one row for each step from an agency's epoch to the next. Without a row an agency is at its first epoch.
-- announced: codes are renewed, providers are still asked under the epoch before; settled: all are renewed, the agency is asked under the new
-- one, the old is still taken from it until accepted_until; refused: not any more; destroyed: its key is gone.
create table code_epoch (
    agency text not null,
    epoch integer not null,
    state text not null,
    announced_at timestamptz not null,
    accept_s integer not null,
    settled_at timestamptz,
    accepted_until timestamptz,
    destroyed_at timestamptz,
    primary key (agency, epoch),
    constraint code_epoch_number check (epoch between 2 and 255),
    constraint code_epoch_state check (state in ('announced', 'settled', 'refused', 'destroyed')),
    constraint code_epoch_settled check ((state = 'announced') = (settled_at is null) and (settled_at is null) = (accepted_until is null)),
    constraint code_epoch_destroyed check ((state = 'destroyed') = (destroyed_at is not null))
);
create unique index code_epoch_one_at_a_time on code_epoch (agency) where state <> 'destroyed';
