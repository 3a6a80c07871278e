-- 符号管理 (IS-1): number ⇔ code. The acquisition number is kept sealed while it is out, and as a keyed tombstone afterwards (番号法21条の2第3項).
create table person_code (
    integrated_number text primary key,
    acquisition_index bytea not null,
    acquisition_sealed bytea,
    expires_at timestamptz not null,
    code_index bytea,
    code_sealed bytea,
    bound_at timestamptz,
    constraint person_code_number check (integrated_number ~ '^[0-9]{15}$'),
    constraint person_code_acquisition_once unique (acquisition_index),
    constraint person_code_one_person unique (code_index),
    constraint person_code_bound check ((code_index is null) = (bound_at is null) and (code_sealed is null) = (bound_at is null)
        and (acquisition_sealed is null) = (bound_at is not null))
);

-- 情報提供データベース管理 (IS-6): one key per person, wrapped; replicas sealed under it
create table person_key (
    integrated_number text primary key,
    wrapped bytea not null
);
create table replica (
    record_id text primary key,
    integrated_number text not null references person_key (integrated_number),
    information text not null,
    data_set text not null,
    version text not null,
    public_from date not null,
    public_to date,
    auto_response text not null,
    content_index bytea not null,
    sealed bytea not null,
    constraint replica_auto_response check (auto_response in ('allowed', 'barred')),
    constraint replica_public check (public_to is null or public_to >= public_from)
);
create index replica_of_person on replica (integrated_number, information);

-- 情報照会 (IS-2): the state row is the outbox
create table inquiry (
    inquiry_number text primary key,
    message_id text not null,
    message_digest bytea not null,
    system text not null,
    actor text not null,
    purpose text not null,
    integrated_number text not null,
    provider text not null,
    basis text not null,
    item text not null,
    information text not null,
    items text not null,
    state text not null,
    reason text,
    list_digest text not null,
    request bytea,
    signature bytea,
    public_key bytea,
    private_sealed bytea,
    key_purpose text not null,
    permit text,
    permit_id text,
    sealed_digest text,
    outcome text,
    result_sealed bytea,
    registered_at timestamptz not null,
    answer_by timestamptz not null,
    result_until timestamptz not null,
    due_at timestamptz,
    constraint inquiry_once unique (message_id),
    constraint inquiry_permit_once unique (permit_id),
    constraint inquiry_state check (state in ('registered', 'permitted', 'held', 'answered', 'not_provided', 'refused', 'aborted')),
    constraint inquiry_outbox check ((due_at is null) = (state not in ('registered', 'permitted', 'held')))
) with (fillfactor = 70);
create index inquiry_due on inquiry (due_at) where due_at is not null;
create index inquiry_result_until on inquiry (result_until) where result_sealed is not null;

-- 情報提供 (IS-3): what was answered, byte for byte, so that a resend gets the same
create table provision (
    permit_id text primary key,
    inquiry_number text not null,
    inquirer text not null,
    basis text not null,
    item text not null,
    information text not null,
    items text not null,
    list_digest text not null,
    state text not null,
    exchange_digest bytea not null,
    permit text not null,
    request bytea not null,
    public_key bytea not null,
    integrated_number text,
    content_digest text,
    ground text,
    outcome bytea not null,
    signature bytea not null,
    sealed bytea,
    received_at timestamptz not null,
    answer_by timestamptz not null,
    push_at timestamptz,
    -- one inquiry is answered once: a core cannot mint a second permit, for another person, out of one signed request
    constraint provision_one_per_inquiry unique (inquiry_number, inquirer),
    constraint provision_state check (state in ('provided', 'not_provided', 'refused', 'held', 'released', 'rejected', 'expired'))
) with (fillfactor = 70);
create index provision_held on provision (answer_by) where state = 'held';
create index provision_push on provision (push_at) where push_at is not null;
