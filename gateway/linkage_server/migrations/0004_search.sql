-- Who looked at whom (SC-13, SC-14), blind indexes of the search (LS-1.4), and pushes to business systems (LS-1.5, LS-1.6).

-- subject: keyed token of a person. Derived from entries `persons.seen`, each of which holds its own commitment; the two are compared when asked.
create table access_subject (
    subject bytea not null,
    entry_id text not null,
    primary key (subject, entry_id),
    constraint access_subject_length check (octet_length(subject) = 16)
);
create trigger access_subject_append_only before update or delete or truncate on access_subject
    for each statement execute function refuse_change();

-- One row a person, each column a keyed token of two keys together: no column tells anything about one key alone. Null: a key is not held.
create table search_token (
    integrated_number bigint primary key references person (integrated_number),
    birth_kana bigint,
    birth_name bigint,
    birth_address bigint,
    name_street bigint,
    kana_street bigint,
    name_town bigint,
    kana_town bigint
);
create index search_token_birth_kana on search_token (birth_kana);
create index search_token_birth_name on search_token (birth_name);
create index search_token_birth_address on search_token (birth_address);
create index search_token_name_street on search_token (name_street);
create index search_token_kana_street on search_token (kana_street);
create index search_token_name_town on search_token (name_town);
create index search_token_kana_town on search_token (kana_town);

-- up to which person.revision the tokens are complete; made_under: version of the rules and of the key, another one makes all tokens anew
create table search_progress (
    only_row boolean primary key default true,
    revision bigint not null default 0,
    made_under text not null default '',
    constraint search_progress_one_row check (only_row)
);
insert into search_progress default values;

-- Where changes are pushed to, by business system: the revisions of people and addressees that were taken in hand.
create table push_target (
    business_system_id text primary key,
    kind text not null,
    url text,
    encoding text not null,
    secret_sealed bytea,
    state text not null,
    person_revision bigint not null,
    addressee_revision bigint not null,
    event_no bigint not null,
    configured_at timestamptz not null,
    constraint push_target_kind check (kind in ('webhook', 'folder')),
    constraint push_target_state check (state in ('on', 'off')),
    constraint push_target_encoding check (encoding in ('utf-8', 'cp932')),
    constraint push_target_whole check ((kind = 'webhook') = (url is not null and secret_sealed is not null))
);

-- One row a push, of a person as of a revision. place: the order of all pushes of a system; within one person it is kept.
-- event_no: the latest change of the person when it was taken in hand. sealed: the bytes that leave; they go with the delivery.
-- waiting: not written yet; ready: on record and on its way; delivered; dead: given up until somebody sends it again; dropped: the person is not theirs any more.
create table push_delivery (
    delivery_id text primary key,
    place bigint generated always as identity unique,
    business_system_id text not null references push_target (business_system_id),
    integrated_number bigint not null references person (integrated_number),
    event_no bigint not null,
    state text not null default 'waiting',
    file text,
    sealed bytea,
    attempts integer not null default 0,
    due_at timestamptz not null,
    made_at timestamptz not null,
    ended_at timestamptz,
    reason text,
    constraint push_delivery_state check (state in ('waiting', 'ready', 'delivered', 'dead', 'dropped')),
    constraint push_delivery_sealed check (sealed is not null = state in ('ready', 'dead')),
    constraint push_delivery_ended check (ended_at is not null = state in ('delivered', 'dead', 'dropped'))
);
create index push_delivery_open on push_delivery (business_system_id, integrated_number, place) where state in ('waiting', 'ready', 'dead');
create index push_delivery_of_person on push_delivery (business_system_id, integrated_number, event_no);
create index push_delivery_due on push_delivery (business_system_id, place) where state in ('waiting', 'ready');
