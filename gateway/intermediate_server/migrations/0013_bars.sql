-- 自動応答不可 (SC-4) and freeze of one person's data (IS-6), as staff set and lift them; the flag of a copy stands with the copy.
create table bar (
    bar_id text primary key,
    place text not null,
    effect text not null,
    cause text not null,
    integrated_number text,
    inquirer text,
    information text not null,
    data_item text not null,
    state text not null,
    set_by text not null,
    set_at timestamptz not null,
    asked_by text,
    changed_by text,
    changed_at timestamptz,
    version bigint not null,
    constraint bar_place check (place in ('person', 'inquirer', 'item')),
    constraint bar_effect check (effect in ('hold', 'freeze', 'refuse', 'non_disclosure') and (effect = 'hold' or place = 'person')),
    constraint bar_cause check (cause in ('support_measures', 'wrong_link', 'under_correction', 'incident', 'other')),
    constraint bar_names_one check ((integrated_number is not null) = (place = 'person') and (inquirer is not null) = (place = 'inquirer')
        and (data_item = '*' or place = 'item')),
    constraint bar_number check (integrated_number ~ '^[0-9]{15}$'),
    constraint bar_state check (state in ('unchecked', 'standing', 'lift_asked', 'lifted')),
    constraint bar_lift_asked check (state <> 'lift_asked' or asked_by is not null),
    constraint bar_lifted_by_two check (state <> 'lifted' or asked_by is null or asked_by <> changed_by)
);
create index bar_of_person on bar (integrated_number) where integrated_number is not null;
create index bar_standing on bar (bar_id) where state <> 'lifted';

-- Which change of the bars was the last one: an answer is recorded only under the epoch that it was decided under.
create table bar_epoch (
    one boolean primary key default true,
    epoch bigint not null,
    constraint bar_epoch_is_one_row check (one)
);
insert into bar_epoch (epoch) values (1);

-- revision: bars that touch a held provision came or went since. escalated_at: it has waited so long that somebody was told.
alter table provision
    add column revision bigint not null default 0,
    add column escalated_at timestamptz;
drop index provision_held;
create index provision_held on provision (answer_by, permit_id) where state = 'held';
create index provision_to_escalate on provision (answer_by) where state = 'held' and escalated_at is null;

-- What the first of two people has struck out (item, place in the list, reason: ids and words of ours alone).
alter table held_approval add column withheld text not null default '[]';
