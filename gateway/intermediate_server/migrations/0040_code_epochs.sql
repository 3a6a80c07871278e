-- Epochs of codes (IS-1). epoch: of which one a code is; 0 where it was bound before epochs were told apart. renewal_refused: why the core did not
-- renew it; it stays as it is until somebody replaces it.
alter table person_code
    add column epoch integer not null default 0,
    add column renewal_refused text;
create index person_code_epoch on person_code (epoch) where bound_at is not null and renewal_refused is null;
alter table former_code add column epoch integer not null default 0;

-- One row for each renewal of all codes: what `sekisho jobs` tells of it, and from when on codes of an epoch before are not bound.
create table code_renewal (
    epoch integer primary key,
    state text not null default 'renewing',
    total bigint not null,
    renewed bigint not null default 0,
    refused bigint not null default 0,
    begun_at timestamptz not null,
    settled_at timestamptz,
    constraint code_renewal_state check (state in ('renewing', 'settled')),
    constraint code_renewal_settled check ((state = 'settled') = (settled_at is not null))
);
