-- A new end of somebody's account, and of those of their cards that are named: proposed by one, approved by a second with both factors (docs/adr/0116).
-- member_version: of the account as it was proposed for; whatever is changed there afterwards makes the proposal one that nobody can approve.
create table staff_extension (
    extension_id text primary key,
    staff_id text not null references staff_member (staff_id),
    cards text[] not null,
    valid_until timestamptz not null,
    member_version bigint not null,
    state text not null,
    version bigint not null,
    proposed_by text not null references staff_member (staff_id),
    proposed_card text not null references staff_card (card_id),
    decided_by text references staff_member (staff_id),
    decided_card text references staff_card (card_id),
    constraint staff_extension_state check (state in ('proposed', 'approved', 'rejected')),
    constraint staff_extension_decided check ((state = 'proposed') = (decided_by is null) and (decided_by is null) = (decided_card is null)),
    constraint staff_extension_two_people check (state <> 'approved' or (decided_by <> proposed_by and decided_by <> staff_id and decided_card <> proposed_card))
);

-- Who can approve grants and who can administer staff at a moment, by the grant and the card under which they can, and until when: with an account, a
-- card and a password of their own that work. Whether their marks hold is for whoever has the ring; a row in force without a mark is nobody's (0089).
create function staff_able(as_of timestamptz) returns table (function text, staff_id text, grant_id text, card_id text, until timestamptz)
stable language sql set search_path from current as $$
    select g.function, m.staff_id, g.grant_id, c.card_id, least(g.valid_until, m.valid_until, c.valid_until)
    from staff_grant g
        join staff_member m on m.staff_id = g.staff_id
        join staff_card c on c.staff_id = m.staff_id
    where g.function in ('staff.administer', 'staff.approve') and g.state = 'effective' and g.office = m.office and g.affair = '*' and g.information = '*'
        and g.file in ('*', 'staff_records') and g.valid_from <= as_of and as_of < g.valid_until
        and m.state = 'active' and not m.password_initial and as_of < m.valid_until and c.state = 'active' and as_of < c.valid_until
        and g.mark is not null and m.mark is not null and c.mark is not null
$$;
