-- 情報提供等記録の訂正 (IS-5, SC-27): a record is never changed; a correction is a record of its own, asked for by one person and approved by another.
create table record_correction (
    correction_id text primary key,
    entry_id text not null,
    field text not null,
    value text not null,
    -- of a wrong person: the right number, sealed under the key of a fiscal year, and never in clear
    number_sealed bytea,
    sealed_under text,
    reason text not null,
    content_hash text not null,
    state text not null,
    proposed_at timestamptz not null,
    proposed_by text not null references staff_member (staff_id),
    proposed_card text not null references staff_card (card_id),
    decided_at timestamptz,
    decided_by text references staff_member (staff_id),
    decided_card text references staff_card (card_id),
    constraint record_correction_state check (state in ('proposed', 'approved', 'rejected')),
    constraint record_correction_decided check ((state = 'proposed') = (decided_by is null) and (decided_by is null) = (decided_at is null)
        and (decided_by is null) = (decided_card is null)),
    constraint record_correction_two_people check (decided_by is null or (decided_by <> proposed_by and decided_card <> proposed_card)),
    constraint record_correction_number check ((field = 'subject') = (number_sealed is not null) and (number_sealed is null) = (sealed_under is null))
);
create index record_correction_of on record_correction (entry_id);

-- Entries that were appended before there were rows to find records by: below `upto` of a year they are still to be made, from the top down.
create table record_indexing as select year, size as upto from log_head where size > 0;
alter table record_indexing add primary key (year);
