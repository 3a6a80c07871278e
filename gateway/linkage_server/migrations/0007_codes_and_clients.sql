-- OAuth clients with a life of their own: suspended, removed (the id is never given again), expired; tokens made before tokens_from are dead.
alter table oauth_client
    add column state text not null default 'active',
    add column expires_at timestamptz,
    add column tokens_from timestamptz not null default 'epoch',
    add constraint oauth_client_state check (state in ('active', 'suspended', 'removed'));

-- Two secrets at most are valid at a time, so that a client changes over without a gap.
create table oauth_secret (
    client_id text not null references oauth_client (client_id),
    secret_id text not null,
    place smallint not null,
    sealed bytea not null,
    made_at timestamptz not null,
    primary key (client_id, secret_id),
    constraint oauth_secret_two_at_most unique (client_id, place),
    constraint oauth_secret_place check (place in (1, 2)),
    constraint oauth_secret_id_form check (secret_id ~ '^[0-9a-f]{16}$')
);
insert into oauth_secret (client_id, secret_id, place, sealed, made_at)
select client_id, '0000000000000000', 1, secret_sealed, now() from oauth_client;
alter table oauth_client drop column secret_sealed;

-- Tokens that were given back before their time (RFC 7009); a row goes when its token would have expired.
create table oauth_revoked_token (
    token_id text primary key,
    expires_at timestamptz not null
);

-- 符号 (LS-4): where each person stands on the way to a code. It follows person.revision; no code and no 処理通番 is ever in it.
-- number_index: the 個人番号 (blind index) that the code is or was asked for; message_id: of a replacement under way; by_hand: cancelled by staff.
create table code_standing (
    integrated_number bigint primary key references person (integrated_number),
    state text not null,
    reason text,
    number_index bytea,
    message_id text,
    by_hand boolean not null default false,
    tries integer not null default 0,
    next_at timestamptz not null,
    changed_at timestamptz not null,
    constraint code_standing_state check (state in (
        'without_individual_number', 'none', 'requested', 'bound', 'refused', 'replacing', 'cancelling', 'cancelled')),
    constraint code_standing_replacement check (state <> 'replacing' or message_id is not null),
    constraint code_standing_reason_of_end check (state not in ('refused', 'cancelling', 'cancelled') or reason is not null)
);
create index code_standing_due on code_standing (state, next_at) where state in ('none', 'requested', 'refused', 'replacing', 'cancelling');
insert into code_standing (integrated_number, state, reason, number_index, next_at, changed_at)
select integrated_number, case when individual_number_index is null then 'without_individual_number' else code_state end,
    case when code_state = 'refused' then 'unknown' end, individual_number_index, now(), now()
from person;
alter table person drop column code_state;

create table code_follower (
    only_row boolean primary key default true,
    revision bigint not null default 0,
    constraint code_follower_one_row check (only_row)
);
insert into code_follower (revision) select coalesce(max(revision), 0) from person;

-- Requests by file, over the existing resident system: which line asked for whom. The file holds the numbers and is gone with its result.
create table code_request_file (
    file_name text primary key,
    answer_by timestamptz not null
);
create table code_request_line (
    file_name text not null references code_request_file (file_name) on delete cascade,
    line integer not null,
    integrated_number bigint not null,
    primary key (file_name, line)
);
