-- A bar that nobody else has checked, and whose lifting is asked for, still has to be checked when it is kept. One that stands at its second step came
-- straight from its setting.
alter table bar drop constraint bar_state, drop constraint bar_lift_asked;
alter table bar add constraint bar_state check (state in ('asked', 'unchecked', 'standing', 'lift_asked', 'unchecked_lift_asked', 'lifted')),
    add constraint bar_lift_asked check (state not in ('lift_asked', 'unchecked_lift_asked') or asked_by is not null);
update bar set state = 'unchecked_lift_asked' where state = 'lift_asked' and version = 2 and effect <> 'suspend';
