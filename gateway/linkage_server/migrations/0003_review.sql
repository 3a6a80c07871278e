-- Decisions about holds and links (LS-1.3, SC-18): one proposes, another approves, and what was approved is carried out once, step by step.

alter table review_hold
    drop constraint review_hold_state,
    add constraint review_hold_state check (state in ('open', 'linked', 'kept', 'refused'));
create index review_hold_open on review_hold (held_at, hold_id) where state = 'open';

-- One row a decision. subject: what it is about (a hold or a person); only one decision about it is open at a time.
-- persons, revisions: the people concerned and which state of them was looked at; a decision about another state is void.
-- sealed: what is to be done and why. content: keyed digest of it, with people and revisions; an approval names it.
-- approval: keyed digest of who approved which content when: nobody approves by writing here.
create table review_decision (
    decision_id text primary key,
    kind text not null,
    subject text not null,
    hold_id text references review_hold (hold_id),
    state text not null,
    version integer not null default 1,
    persons bigint[] not null,
    revisions bigint[] not null,
    sealed bytea not null,
    content bytea not null,
    business_system_id text not null,
    affair text not null,
    proposed_by text not null,
    proposed_at timestamptz not null,
    approved_by text,
    approved_at timestamptz,
    approval bytea,
    ended_at timestamptz,
    ended_by text,
    reason text,
    constraint review_decision_kind check (kind in (
        'hold_link', 'hold_keep', 'hold_refuse', 'link', 'merge', 'split', 'release', 'freeze')),
    constraint review_decision_state check (state in (
        'proposed', 'approved', 'withdrawing', 'applied', 'done', 'rejected', 'withdrawn', 'voided')),
    -- nobody approves his own; freezing alone needs no second person
    constraint review_decision_two_people check (lower(approved_by) <> lower(proposed_by)),
    constraint review_decision_approved check (
        (approved_by is not null) = (approved_at is not null) and (approved_by is not null) = (approval is not null)
        and (approved_by is not null or kind = 'freeze' or state in ('proposed', 'rejected', 'withdrawn', 'voided'))),
    constraint review_decision_ended check ((ended_at is not null) = (state in ('done', 'rejected', 'withdrawn', 'voided'))),
    constraint review_decision_of_a_hold check ((hold_id is not null) = starts_with(kind, 'hold_')),
    constraint review_decision_revisions check (cardinality(persons) = cardinality(revisions)),
    constraint review_decision_content_length check (octet_length(content) = 32)
);
create unique index review_decision_one_open on review_decision (subject)
    where state in ('proposed', 'approved', 'withdrawing', 'applied');
create index review_decision_to_do on review_decision (proposed_at) where state in ('approved', 'withdrawing', 'applied');
create index review_decision_of_hold on review_decision (hold_id) where hold_id is not null;
create index review_decision_of_persons on review_decision using gin (persons);
