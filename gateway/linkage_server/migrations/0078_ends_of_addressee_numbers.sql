-- 宛名番号の終了: a business system ends an addressee number, or replaces it by another of its own for the same person (LS-1.2).

-- replaced_by: the number that takes the place of the event's. What `addressee` says of an end follows from the events that count.
alter table person_event
    add column replaced_by text,
    drop constraint person_event_kind,
    add constraint person_event_kind check (kind in (
        'move_in', 'move_out', 'birth', 'death', 'name_change', 'address_change', 'individual_number_change', 'correction', 'cancellation', 'addressee_end',
        'registered', 'linked', 'unlinked', 'merged', 'split')),
    add constraint person_event_replaced_by_as_end check (replaced_by is null or kind = 'addressee_end');

-- ended_on: the first day on which the number means nobody.
alter table addressee add column ended_on date, add column replaced_by text;
update addressee set ended_on = (now() at time zone 'Asia/Tokyo')::date where state = 'ended';
alter table addressee
    add constraint addressee_ended check ((state = 'ended') = (ended_on is not null)),
    add constraint addressee_replaced_as_ended check (replaced_by is null or state = 'ended');
