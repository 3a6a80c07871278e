-- 符号の一生 (IS-1): requested → bound → replaced or cancelled. A row of person_code is a code that lives; a person has one bound and one
-- requested at most, both while a replacement is under way: message_id says for which one it was asked, reason why.
alter table person_code
    drop constraint person_code_pkey,
    add column message_id text,
    add column reason text,
    add constraint person_code_replacement check ((message_id is null) = (reason is null));
create unique index person_code_bound_once on person_code (integrated_number) where bound_at is not null;
create unique index person_code_requested_once on person_code (integrated_number) where bound_at is null;
create index person_code_expiry on person_code (expires_at) where bound_at is null;
alter table person_code add constraint person_code_pkey primary key (acquisition_index);
alter table person_code drop constraint person_code_acquisition_once;

-- Codes whose life is over. The code itself is gone: its blind index says why a question under it has no answer; exchange records stay as they are.
-- The tombstone of the acquisition number tells a late delivery from a forgery. expired: requested, and nothing came in time.
create table former_code (
    acquisition_index bytea primary key,
    integrated_number text not null,
    code_index bytea,
    state text not null,
    reason text not null,
    ended_at timestamptz not null,
    constraint former_code_state check (state in ('replaced', 'cancelled', 'expired')),
    constraint former_code_had_one check (state <> 'replaced' or code_index is not null)
);
create index former_code_of_person on former_code (integrated_number, ended_at);
create index former_code_by_index on former_code (code_index, ended_at) where code_index is not null;
