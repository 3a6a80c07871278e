-- 消去 (SC-3, SC-6, SC-16): what expired, by which rule, that its key is gone, and who has confirmed it. One row for each key that was destroyed.
create table erasure (
    key_purpose text primary key,
    kind text not null,
    rule text not null,
    state text not null,
    key_versions text not null default '',
    erased bigint not null default 0,
    sealed bigint not null default 0,
    rows_deleted bigint not null default 0,
    begun_at timestamptz not null,
    certified_at timestamptz,
    certificate text,
    key_file text,
    content_hash text,
    confirmed_at timestamptz,
    confirmed_by text references staff_member (staff_id),
    confirmed_card text references staff_card (card_id),
    constraint erasure_kind check (kind in ('results', 'records')),
    constraint erasure_state check (state in ('begun', 'certified', 'confirmed')),
    constraint erasure_certified check ((state = 'begun') = (certified_at is null) and (certified_at is null) = (certificate is null)
        and (certified_at is null) = (key_file is null) and (certified_at is null) = (content_hash is null)),
    constraint erasure_confirmed check ((state = 'confirmed') = (confirmed_by is not null) and (confirmed_by is null) = (confirmed_at is null)
        and (confirmed_by is null) = (confirmed_card is null))
);
create index erasure_begun on erasure (begun_at) where state = 'begun';
create index erasure_unconfirmed on erasure (certified_at) where state = 'certified';
