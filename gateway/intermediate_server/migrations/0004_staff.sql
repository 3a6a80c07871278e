-- 職員認証・権限管理 (IS-9; SC-7, SC-10, SC-11, SC-24). No name of a person stands here: an id, an office, and what proves the person.
create table staff_member (
    staff_id text primary key,
    office text not null,
    state text not null,
    password_hash text not null,
    password_initial boolean not null,
    password_until timestamptz not null,
    valid_until timestamptz not null,
    version bigint not null,
    changed_by text not null,
    constraint staff_member_id check (staff_id ~ '^[a-z][a-z0-9-]{1,30}$'),
    constraint staff_member_office check (office ~ '^[a-z][a-z0-9-]{1,30}$'),
    constraint staff_member_state check (state in ('active', 'left')),
    -- an id is one person's for ever: whoever leaves keeps it, without anything that opens it
    constraint staff_member_password check (case state when 'left' then password_hash = '' else password_hash like '$argon2id$%' end)
);

create table staff_card (
    card_id text primary key,
    staff_id text not null references staff_member (staff_id),
    kind text not null,
    public_key bytea not null,
    credential bytea,
    sign_count bigint not null,
    valid_until timestamptz not null,
    state text not null,
    constraint staff_card_kind check (kind in ('key', 'webauthn') and (kind = 'webauthn') = (credential is not null)),
    constraint staff_card_state check (state in ('active', 'revoked')),
    constraint staff_card_one_person unique (public_key)
);
create index staff_card_of on staff_card (staff_id);

-- attempts since the last success, by person and by terminal; counted before they are judged
create table staff_attempt (
    key text primary key,
    failures integer not null,
    counted_from timestamptz not null,
    locked_until timestamptz
);
create table staff_challenge (
    nonce text primary key,
    expires_at timestamptz not null
);
create index staff_challenge_expires on staff_challenge (expires_at);

create table staff_session (
    token_hash text primary key,
    staff_id text not null references staff_member (staff_id),
    card_id text not null references staff_card (card_id),
    certificate bytea not null,
    opened_at timestamptz not null,
    seen_at timestamptz not null,
    until timestamptz not null,
    restricted boolean not null,
    reason text not null,
    reference text not null,
    ended_at timestamptz,
    constraint staff_session_hash check (token_hash ~ '^[0-9a-f]{64}$'),
    constraint staff_session_until check (until > opened_at)
);
create index staff_session_open on staff_session (staff_id, opened_at) where ended_at is null;

create table staff_grant (
    grant_id text primary key,
    staff_id text not null references staff_member (staff_id),
    function text not null,
    office text not null,
    affair text not null,
    information text not null,
    file text not null,
    valid_from timestamptz not null,
    valid_until timestamptz not null,
    state text not null,
    version bigint not null,
    requested_by text not null references staff_member (staff_id),
    requested_card text not null references staff_card (card_id),
    approved_by text references staff_member (staff_id),
    approved_card text references staff_card (card_id),
    approved_digest text,
    revoked_by text,
    revoked_card text,
    checked_by text,
    checked_card text,
    constraint staff_grant_period check (valid_until > valid_from),
    constraint staff_grant_state check (state in ('requested', 'effective', 'rejected', 'revoked', 'closed')),
    -- SC-11: no grant works with one person, one card, or for whoever approves it
    constraint staff_grant_two_people check (approved_by is null or (approved_by <> requested_by and approved_by <> staff_id)),
    constraint staff_grant_two_cards check (approved_card is null or approved_card <> requested_card),
    constraint staff_grant_effective check (state <> 'effective' or (approved_by is not null and approved_card is not null and approved_digest is not null)),
    constraint staff_grant_void check (state <> 'requested' or (approved_by is null and approved_card is null and approved_digest is null)),
    constraint staff_grant_revoked check ((state in ('revoked', 'closed')) = (revoked_by is not null)),
    constraint staff_grant_checked check ((state = 'closed') = (checked_by is not null) and (checked_by is null or (checked_by <> revoked_by and checked_card <> revoked_card)))
);
create index staff_grant_of on staff_grant (staff_id);

-- whose record it would be if this member of staff looked at themselves or their household: a keyed index, never a number
create table staff_relation (
    staff_id text not null references staff_member (staff_id),
    relation text not null,
    person_index bytea not null,
    primary key (staff_id, relation, person_index),
    constraint staff_relation_kind check (relation in ('self', 'household'))
);

create table staff_founding (
    founded text primary key,
    digest text not null,
    constraint staff_founding_once check (founded = 'founded')
);

-- SC-4: where two people must release, the first one's approval, and the second one's
create table held_approval (
    permit_id text primary key references provision (permit_id),
    first_staff text not null,
    content_digest text not null,
    second_staff text,
    constraint held_approval_two_people check (second_staff is null or second_staff <> first_staff)
);

-- the access log is read by time (SC-12)
create index log_entry_staff on log_entry (at) where kind like 'staff.%';
