-- A change that is held and was taken back before anybody decided it is held no longer (LS-1.2).
alter table review_hold
    drop constraint review_hold_state,
    add constraint review_hold_state check (state in ('open', 'linked', 'kept', 'refused', 'cancelled'));
