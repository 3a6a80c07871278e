-- 鍵の版の破棄 (SC-20, docs/adr/0073): asked for by one member of staff and decided by another, each with both factors, before a key goes.
create table key_destruction (
    destruction_id text primary key,
    server text not null,
    purpose text not null,
    version integer not null,
    cause text not null,
    content_hash text not null,
    state text not null,
    asked_by text not null references staff_member (staff_id),
    asked_card text not null references staff_card (card_id),
    asked_at timestamptz not null,
    decided_by text references staff_member (staff_id),
    decided_card text references staff_card (card_id),
    decided_at timestamptz,
    constraint key_destruction_server check (server in ('intermediate', 'linkage', 'sky2', 'portal')),
    constraint key_destruction_version check (version > 0),
    constraint key_destruction_cause check (cause in ('replaced', 'disclosed', 'erasure', 'use_ended')),
    constraint key_destruction_state check (state in ('asked', 'approved', 'rejected')),
    constraint key_destruction_decided check ((state = 'asked') = (decided_by is null) and (decided_by is null) = (decided_at is null)
        and (decided_by is null) = (decided_card is null)),
    -- SC-11, SC-20: nobody destroys a key alone
    constraint key_destruction_two_people check (state <> 'approved' or (decided_by is not null and decided_by <> asked_by and decided_card <> asked_card))
);
