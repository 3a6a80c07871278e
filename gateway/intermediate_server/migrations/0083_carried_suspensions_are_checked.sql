-- A suspension that came along with a copy works, and waits to be checked like every bar that did (SC-4; docs/adr/0083). By anybody else's hand it takes two still.
alter table bar drop constraint bar_suspended_by_two;
alter table bar add constraint bar_suspended_by_two check (effect <> 'suspend' or state in ('asked', 'standing', 'lift_asked', 'lifted')
    or (set_by = 'auto' and state in ('unchecked', 'unchecked_lift_asked')));
update bar set state = 'unchecked' where effect = 'suspend' and set_by = 'auto' and state = 'standing' and version = 1;
update bar set state = 'unchecked_lift_asked' where effect = 'suspend' and set_by = 'auto' and state = 'lift_asked' and version = 2;
