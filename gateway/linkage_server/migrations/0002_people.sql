-- Daily changes and their history (LS-1.2), migrated integrated numbers (LS-1.3), the order of changes for whoever follows them.

-- Whoever writes person or addressee holds number_counter's row lock first, so revisions are in the order of commits.
create sequence person_revision;
create sequence addressee_revision;

-- `person` is what its events make of its base as of today. The dead and those who left stay, under the same rules (SC-19).
-- registered_on: the day the base is of. migrated: the integrated number came from an earlier system.
-- frozen: nobody is asked about this person and nothing is sent. merged_into: the number lives on in another; it is never given again.
alter table person
    add column revision bigint not null default nextval('person_revision'),
    add column registered_on date not null default (now() at time zone 'Asia/Tokyo')::date,
    add column state text not null default 'living',
    add column state_since date,
    add column migrated boolean not null default false,
    add column frozen boolean not null default false,
    add column merged_into bigint,
    add constraint person_state check (state in ('living', 'moved_out', 'dead', 'cancelled')),
    add constraint person_lives_on_elsewhere foreign key (merged_into) references person (integrated_number),
    add constraint person_not_into_itself check (merged_into <> integrated_number);
create index person_by_revision on person (revision);
create index person_migrated on person (integrated_number) where migrated;

alter table addressee
    add column revision bigint not null default nextval('addressee_revision'),
    add column state text not null default 'held',
    add constraint addressee_state check (state in ('held', 'ended'));
create index addressee_by_revision on addressee (revision);
create index addressee_of_person on addressee (integrated_number);

-- The counters that a file took for its lines, one a line: whoever takes the file up again gives each line the same number.
alter table intake add column numbers_from bigint;

-- What a person was before the first change: written with that change, sealed as it stood in `person` (the same key and row binding).
create table person_base (
    integrated_number bigint primary key references person (integrated_number),
    individual_number_index bytea,
    individual_number_sealed bytea,
    four_items_sealed bytea not null,
    constraint person_base_individual_number_whole check ((individual_number_index is null) = (individual_number_sealed is null))
);

-- One row a change, append-only but for `undone_by` and `applied_at`. event_key: keyed digest of business system and the sender's event id.
-- applied_at is null while the change waits for its day. cancels: the event_key of the event that this one takes back.
-- digest: keyed, of what the event said, so that another event under the same id shows.
create table person_event (
    event_no bigint generated always as identity primary key,
    event_key text not null,
    integrated_number bigint not null,
    business_system_id text not null,
    addressee_number text not null,
    kind text not null,
    effective_on date not null,
    recorded_at timestamptz not null,
    applied_at timestamptz,
    sealed bytea not null,
    digest bytea not null,
    cancels text,
    undone_by text,
    constraint person_event_once unique (event_key),
    constraint person_event_of_a_person foreign key (integrated_number) references person (integrated_number),
    constraint person_event_kind check (kind in (
        'move_in', 'move_out', 'birth', 'death', 'name_change', 'address_change', 'individual_number_change', 'correction', 'cancellation',
        'registered', 'linked', 'unlinked', 'merged', 'split')),
    constraint person_event_key_length check (octet_length(event_key) = 64),
    constraint person_event_digest_length check (octet_length(digest) = 32),
    constraint person_event_cancels_as_cancellation check (cancels is null or kind = 'cancellation')
);
create index person_event_of_person on person_event (integrated_number, effective_on, event_no);
create index person_event_of_addressee on person_event (business_system_id, addressee_number);

-- A change that is to come, as it came, sealed, until its day; a move-in or birth to come is nowhere else, since nobody is held for it yet.
create table waiting_change (
    waiting_no bigint generated always as identity primary key,
    event_key text not null,
    business_system_id text not null,
    effective_on date not null,
    sealed bytea not null,
    digest bytea not null,
    constraint waiting_change_once unique (event_key)
);
create index waiting_change_by_day on waiting_change (effective_on, waiting_no);

-- A hold is about a row of a load or about a change. event_key of a change: the same event again finds its hold.
alter table review_hold
    add column subject text not null default 'addressee',
    add column event_key text,
    add column effective_on date,
    add constraint review_hold_subject check (subject in ('addressee', 'change')),
    add constraint review_hold_event check ((subject = 'change') = (event_key is not null)),
    add constraint review_hold_event_once unique (event_key);
