-- 利用停止 (SC-27): of a person or of the whole agency. It is asked by one and works when a second person has agreed.
alter table bar
    drop constraint bar_place,
    drop constraint bar_effect,
    drop constraint bar_cause,
    drop constraint bar_state;
alter table bar
    add constraint bar_place check (place in ('person', 'inquirer', 'item', 'agency')),
    add constraint bar_effect check (effect in ('hold', 'freeze', 'refuse', 'non_disclosure', 'suspend')
        and (effect = 'hold' or place = 'person' or (place = 'agency' and effect = 'suspend')) and (place <> 'agency' or effect = 'suspend')),
    add constraint bar_cause check (cause in ('support_measures', 'wrong_link', 'under_correction', 'incident', 'suspension_requested', 'other')),
    add constraint bar_state check (state in ('asked', 'unchecked', 'standing', 'lift_asked', 'lifted')),
    add constraint bar_suspended_by_two check (effect <> 'suspend' or state in ('asked', 'standing', 'lift_asked', 'lifted')),
    add constraint bar_asked_is_a_suspension check (state <> 'asked' or effect = 'suspend');
