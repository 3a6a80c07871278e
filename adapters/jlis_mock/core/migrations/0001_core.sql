-- The core's permits (DESIGN §4 step 3): one per inquirer and inquiry number; the provider's code is sealed under the ring.
create table permit (
    permit_id text primary key,
    inquirer text not null,
    inquiry_number text not null,
    provider text not null,
    basis text,
    item text not null,
    information text not null,
    items text not null,
    list_digest text not null,
    request_digest text not null,
    permit text,
    code_sealed bytea,
    redeem_by timestamptz not null,
    answer_by timestamptz not null,
    state text not null,
    reason text,
    relayed_request_digest text,
    disposition text,
    outcome_digest text,
    sealed_digest text,
    constraint permit_once unique (inquirer, inquiry_number),
    constraint permit_state check (state in ('issued', 'refused', 'relayed')),
    constraint permit_refused_has_reason check ((state = 'refused') = (permit is null)),
    constraint permit_relayed_has_outcome check ((state = 'relayed') = (disposition is not null))
);
create index permit_code_expiry on permit (answer_by) where code_sealed is not null;
