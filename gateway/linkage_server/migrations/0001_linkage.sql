-- 番号連携サーバー (LS-1 to LS-4). One schema per agency; no code (符号) is ever in it.
-- loaded work: a spool file or one API registration; its results stay, so that a replay gives the same bytes and changes nothing
create table intake (
    key text primary key,
    id bigint generated always as identity,
    channel text not null,
    business_system_id text not null,
    sha256 bytea not null,
    state text not null default 'open',
    lines_done bigint not null default 0,
    counts jsonb not null default '{}',
    constraint intake_id unique (id),
    constraint intake_state check (state in ('open', 'done')),
    constraint intake_digest check (octet_length(sha256) = 32)
);

create table intake_result (
    intake_id bigint not null references intake (id),
    first_line bigint not null,
    packed bytea not null,
    primary key (intake_id, first_line)
);

-- 個人番号 is sealed with AES-GCM-SIV bound to the row, and found by its blind index (DESIGN §5)
create table person (
    integrated_number bigint primary key,
    individual_number_index bytea,
    individual_number_sealed bytea,
    four_items_sealed bytea not null,
    code_state text not null default 'none',
    constraint person_individual_number_once unique (individual_number_index),
    constraint person_individual_number_whole check ((individual_number_index is null) = (individual_number_sealed is null)),
    constraint person_index_length check (octet_length(individual_number_index) = 32),
    constraint person_integrated_number check (integrated_number between 0 and 999999999999999),
    constraint person_code_state check (code_state in ('none', 'requested', 'bound', 'refused'))
);

create table addressee (
    business_system_id text not null,
    addressee_number text not null,
    integrated_number bigint not null,
    resident_kind text not null,
    intake_id bigint not null,
    primary key (business_system_id, addressee_number),
    constraint addressee_of_a_person foreign key (integrated_number) references person (integrated_number),
    constraint addressee_number_form check (addressee_number ~ '^[0-9]{1,15}$')
);

-- counters of integrated numbers; the row lock also puts loads of one agency into an order
create table number_counter (
    only_row boolean primary key default true,
    next bigint not null default 0,
    constraint number_counter_one_row check (only_row)
);
insert into number_counter default values;

-- disagreements that a person has to look at (LS-1.3, SC-18)
create table review_hold (
    hold_id text primary key,
    business_system_id text not null,
    addressee_number text not null,
    reason text not null,
    differing text[] not null,
    sealed bytea not null,
    state text not null default 'open',
    held_at timestamptz not null,
    constraint review_hold_state check (state in ('open', 'linked', 'refused'))
);

create table code_run (
    run_id text primary key,
    state text not null default 'running',
    started_at timestamptz not null,
    finished_at timestamptz,
    constraint code_run_state check (state in ('running', 'done'))
);

-- refusals by the desk: `asked` is a keyed digest of the question, so that a retry is told from another question under the same key
create table desk_refusal (
    message_id text primary key,
    inquiry_number text not null,
    reason text not null,
    asked bytea not null,
    constraint desk_refusal_asked_length check (octet_length(asked) = 32)
);

create table oauth_client (
    client_id text primary key,
    business_system_id text not null,
    secret_sealed bytea not null,
    scopes text[] not null,
    may_use_individual_number boolean not null
);

create table oauth_assertion (
    client_id text not null,
    jti text not null,
    expires_at timestamptz not null,
    primary key (client_id, jti)
);
