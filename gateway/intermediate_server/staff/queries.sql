-- name: member
select staff_id, office, state, password_hash, password_initial, password_until, valid_until, version, mark from staff_member where staff_id = $1

-- name: members
select staff_id, office, state, password_hash, password_initial, password_until, valid_until, version, mark from staff_member order by staff_id

-- name: locked_people
select substr(key, 8) as staff_id, locked_until from staff_attempt where key like 'person/%' and locked_until > $1

-- name: cards_of
select card_id, staff_id, kind, public_key, credential, sign_count, valid_until, state, mark from staff_card where staff_id = $1 order by card_id

-- name: cards
select card_id, staff_id, kind, public_key, credential, sign_count, valid_until, state, mark from staff_card order by staff_id, card_id

-- name: attempts
select key, locked_until from staff_attempt where key = any($1::text[])

-- name: session
select token_hash, staff_id, card_id, certificate, opened_at, seen_at, until, restricted, reason, reference, ended_at, mark from staff_session where token_hash = $1

-- name: open_sessions
select token_hash, staff_id, card_id, certificate, opened_at, seen_at, until, restricted, reason, reference, ended_at, mark from staff_session where ended_at is null

-- name: grants
select * from staff_grant order by grant_id

-- name: grants_of
select * from staff_grant where staff_id = $1 order by grant_id

-- name: grant_one
select * from staff_grant where grant_id = $1

-- name: able
-- Who can approve grants, who can administer staff, under which right and card, and until when.
select function, staff_id, grant_id, card_id, until from staff_able($1)

-- name: ending
-- What is in force now ($1), with a mark, and ends before $2.
select 'account' as what, count(*) as ending from staff_member where state = 'active' and mark is not null and valid_until > $1 and valid_until < $2
union all
select 'card', count(*) from staff_card where state = 'active' and mark is not null and valid_until > $1 and valid_until < $2
union all
select 'grant', count(*) from staff_grant where state = 'effective' and mark is not null and valid_until > $1 and valid_until < $2

-- name: enough_remain
-- Two people who can approve grants and one who can administer staff are left without this person or this grant, or it takes nobody of them away.
-- counted: the rights and cards whose marks hold; of no other it is said that somebody can.
with r as (select * from unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::text[]) as r (key, staff_id, grant_id, at, counted)),
able as (
    select r.key, a.function, a.staff_id, bool_or(a.staff_id <> r.staff_id and a.grant_id <> r.grant_id) as stays
    from r, lateral staff_able(r.at) as a where a.grant_id || '/' || a.card_id = any(string_to_array(r.counted, ' '))
    group by r.key, a.function, a.staff_id
),
counted as (select key, function, count(*) as there, count(*) filter (where stays) as remaining from able group by key, function)
select r.key from r
where not exists (
    select 1 from counted c
    where c.key = r.key and c.remaining < c.there and c.remaining < case c.function when 'staff.approve' then 2 else 1 end
)

-- name: extensions
select * from staff_extension order by extension_id

-- name: extension_one
select * from staff_extension where extension_id = $1

-- name: founded
select digest from staff_founding

-- name: relations
select staff_id, relation, person_index, number_sealed from staff_relation

-- name: others_of
-- Members in force, other than $1, whose own number is found by one of these.
select m.staff_id from staff_relation r join staff_member m using (staff_id)
where r.relation = 'self' and r.person_index = any($2::bytea[]) and r.staff_id <> $1 and m.state = 'active' limit 1

-- name: staff_entries
-- Oldest first; of more than are wanted the newest.
select body from (
    select body, at from log_entry where kind like 'staff.%' and body is not null and at >= $1 and at < $2 order by at desc limit $3
) as newest order by at

-- name: inquiries_between
-- Who asked other agencies about whom (a keyed index of the fiscal year), also what was refused here, and who read what came back.
-- Oldest first; of more than are wanted the newest.
select * from (
    select r.at, r.kind, r.actor, r.item, r.subject, r.year, r.idx, e.inquiry_number from log_record r join log_entry e on e.year = r.year and e.idx = r.idx
    where r.kind = any($1::text[]) and r.at >= $2 and r.at < $3 order by r.at desc limit $4
) as newest order by at

-- name: personal_parts
-- In the order of the log: whom an inquiry was about is what its last record says, a correction too.
select entry_id, at, inquiry_number, body, personal from log_entry where inquiry_number = any($1::text[]) and personal is not null
order by year, idx

-- name: personal_parts_at
-- Of entries by their places in the log.
select e.year, e.idx, e.entry_id, e.at, e.body, e.personal from unnest($1::integer[], $2::bigint[]) as p (year, idx)
join log_entry e on e.year = p.year and e.idx = p.idx where e.personal is not null

-- name: found
insert into staff_founding (founded, digest) select r.* from unnest($1::text[], $2::text[]) as r (founded, digest) on conflict do nothing returning founded

-- name: found_anew
-- Only while too few are left to grant anything, counted as in enough_remain; of two at once the second finds the place taken.
insert into staff_founding (founded, digest)
select 'anew/' || (select coalesce(max(substr(founded, 6)::integer), 0) + 1 from staff_founding where founded like 'anew/%'), r.digest from unnest($1::text[], $2::timestamptz[], $3::text[]) as r (digest, at, counted),
    lateral (
        select count(distinct a.staff_id) filter (where a.function = 'staff.approve') as approving, count(*) filter (where a.function = 'staff.administer') as administering
        from staff_able(r.at) as a where a.grant_id || '/' || a.card_id = any(string_to_array(r.counted, ' '))
    ) as left_over
where left_over.approving < 2 or left_over.administering = 0
on conflict do nothing
returning digest

-- name: add_member
insert into staff_member (staff_id, office, state, password_hash, password_initial, password_until, valid_until, version, changed_by, mark)
select r.staff_id, r.office, 'active', r.password_hash, r.password_initial, r.password_until, r.valid_until, 1, r.changed_by, r.mark
from unnest($1::text[], $2::text[], $3::text[], $4::boolean[], $5::timestamptz[], $6::timestamptz[], $7::text[], $8::bytea[])
    as r (staff_id, office, password_hash, password_initial, password_until, valid_until, changed_by, mark)
on conflict do nothing
returning staff_id

-- name: change_member
update staff_member m set office = r.office, state = r.state, password_hash = r.password_hash, password_initial = r.password_initial,
    password_until = r.password_until, valid_until = r.valid_until, version = m.version + 1, changed_by = r.changed_by, mark = r.mark
from unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::boolean[], $7::timestamptz[], $8::timestamptz[], $9::text[], $10::bytea[])
    as r (staff_id, version, office, state, password_hash, password_initial, password_until, valid_until, changed_by, mark)
where m.staff_id = r.staff_id and m.version = r.version
returning m.staff_id

-- name: note_leaving
update staff_member m set left_at = r.left_at from unnest($1::text[], $2::timestamptz[]) as r (staff_id, left_at)
where m.staff_id = r.staff_id
returning m.staff_id

-- name: add_card
insert into staff_card (card_id, staff_id, kind, public_key, credential, sign_count, valid_until, mark, state)
select r.*, 'active' from unnest($1::text[], $2::text[], $3::text[], $4::bytea[], $5::bytea[], $6::bigint[], $7::timestamptz[], $8::bytea[])
    as r (card_id, staff_id, kind, public_key, credential, sign_count, valid_until, mark)
on conflict do nothing
returning card_id

-- name: change_card
-- Of a card that is in force and has the end that it had.
update staff_card c set valid_until = r.valid_until, mark = r.mark
from unnest($1::text[], $2::timestamptz[], $3::timestamptz[], $4::bytea[]) as r (card_id, was_until, valid_until, mark)
where c.card_id = r.card_id and c.state = 'active' and c.valid_until = r.was_until
returning c.card_id

-- name: revoke_cards_of
with gone as (update staff_card set state = 'revoked', mark = null where staff_id = any($1::text[]) and state = 'active')
select r.staff_id from unnest($1::text[]) as r (staff_id)

-- name: count_card
-- A counter goes up, or there is none (0): of two that say the same one is a copy.
update staff_card c set sign_count = r.sign_count from unnest($1::text[], $2::bigint[]) as r (card_id, sign_count)
where c.card_id = r.card_id and (c.sign_count < r.sign_count or (c.sign_count = 0 and r.sign_count = 0))
returning c.card_id

-- name: spend_challenge
insert into staff_challenge (nonce, expires_at) select r.* from unnest($1::text[], $2::timestamptz[]) as r (nonce, expires_at)
on conflict do nothing
returning nonce

-- name: forget_challenges
delete from staff_challenge where expires_at < $1

-- name: forget_old_attempts
delete from staff_attempt where counted_from < $1 and (locked_until is null or locked_until < $1)

-- name: forget_sessions
delete from staff_session where until < $1 and end_recorded

-- name: ended_sessions
-- Sessions that are over, of which the log does not say so yet. $1: now; $2: whoever was not seen since is idle.
select token_hash, staff_id, certificate, reason, opened_at, seen_at, until, ended_at, ended_how from staff_session
where not end_recorded and (ended_at is not null or until <= $1 or seen_at <= $2) order by token_hash limit $3

-- name: record_session_end
-- Only of a session that is as it was when it was found to be over.
update staff_session s set ended_at = r.ended_at, end_recorded = true, mark = null
from unnest($1::text[], $2::timestamptz[], $3::timestamptz[], $4::timestamptz[]) as r (token_hash, seen_at, was_ended_at, ended_at)
where s.token_hash = r.token_hash and not s.end_recorded and s.seen_at = r.seen_at and s.ended_at is not distinct from r.was_ended_at
returning s.token_hash

-- name: count_attempt
with r as (
    select key, count(*)::integer as tries, max(most) as most, max(until) as until, max(at) as at, max(forgotten_before) as forgotten_before
    from unnest($1::text[], $2::integer[], $3::timestamptz[], $4::timestamptz[], $5::timestamptz[]) as r (key, most, until, at, forgotten_before) group by key
),
known as (
    select r.*, case when a.locked_until <= r.at or a.counted_from < r.forgotten_before then null else a.counted_from end as counted_from,
        case when a.locked_until <= r.at or a.counted_from < r.forgotten_before then 0 else coalesce(a.failures, 0) end as failures,
        case when a.locked_until > r.at then a.locked_until end as locked_until
    from r left join staff_attempt a on a.key = r.key
),
counted as (
    insert into staff_attempt (key, failures, counted_from, locked_until)
    select key, failures + tries, coalesce(counted_from, at), coalesce(locked_until, case when failures + tries > most then until end) from known
    on conflict (key) do update set failures = excluded.failures, counted_from = excluded.counted_from, locked_until = excluded.locked_until
)
select u.key from unnest($1::text[]) as u (key)

-- name: forget_attempts
with gone as (delete from staff_attempt where key = any($1::text[])) select r.key from unnest($1::text[]) as r (key)

-- name: uncount_attempt
with r as (select key, count(*)::integer as tries from unnest($1::text[]) as r (key) group by key),
counted as (update staff_attempt a set failures = greatest(a.failures - r.tries, 0) from r where a.key = r.key)
select u.key from unnest($1::text[]) as u (key)

-- name: open_session
-- Of somebody who is as they were when their factors were examined: with the same password still.
insert into staff_session (token_hash, staff_id, card_id, certificate, opened_at, seen_at, until, restricted, reason, reference, mark)
select r.token_hash, r.staff_id, r.card_id, r.certificate, r.opened_at, r.opened_at, r.until, r.restricted, r.reason, r.reference, r.mark
from unnest($1::text[], $2::text[], $3::text[], $4::bytea[], $5::timestamptz[], $6::timestamptz[], $7::boolean[], $8::text[], $9::text[],
    $10::bytea[], $11::bigint[])
    as r (token_hash, staff_id, card_id, certificate, opened_at, until, restricted, reason, reference, mark, member_version)
join staff_member m on m.staff_id = r.staff_id and m.state = 'active' and m.version = r.member_version
join staff_card c on c.card_id = r.card_id and c.state = 'active'
returning token_hash

-- name: end_oldest_sessions
-- Log-ins of one person that share a commit end once what is too many together.
with r as (select * from unnest($1::text[], $2::integer[], $3::timestamptz[]) as r (staff_id, keep, at)),
gone as (
    update staff_session s set ended_at = o.at, ended_how = 'superseded', mark = null from (
        select p.token_hash, r.at, r.keep, row_number() over (partition by p.staff_id order by p.opened_at desc, p.token_hash) as place
        from staff_session p join (select distinct on (staff_id) staff_id, keep, at from r order by staff_id, at desc) as r
            on r.staff_id = p.staff_id where p.ended_at is null
    ) as o where o.token_hash = s.token_hash and o.place > o.keep
)
select staff_id from r

-- name: end_session
update staff_session s set ended_at = r.at, end_recorded = true, mark = null from unnest($1::text[], $2::timestamptz[]) as r (token_hash, at)
where s.token_hash = r.token_hash and s.ended_at is null
returning s.token_hash

-- name: end_sessions_of
with gone as (
    update staff_session s set ended_at = r.at, ended_how = 'account_changed', mark = null from unnest($1::text[], $2::timestamptz[]) as r (staff_id, at) where s.staff_id = r.staff_id and s.ended_at is null
)
select r.staff_id from unnest($1::text[]) as r (staff_id)

-- name: use_session
-- Somebody acts: their session is open and not too old, they and their card are in force, and so is every right that is relied on. As the second
-- of two: the first one, too, and the right that they rely on of that one (null: they act alone).
update staff_session s set seen_at = greatest(s.seen_at, r.at) from unnest($1::text[], $2::timestamptz[], $3::text[], $4::text[]) as r (token_hash, at, grant_ids, first_grant)
where s.token_hash = r.token_hash and s.ended_at is null and r.at < s.until
    and exists (select 1 from staff_member m where m.staff_id = s.staff_id and m.state = 'active' and r.at < m.valid_until)
    and exists (select 1 from staff_card c where c.card_id = s.card_id and c.state = 'active' and r.at < c.valid_until)
    and not exists (
        select 1 from unnest(string_to_array(r.grant_ids, ' ')) as g (grant_id)
        where not exists (
            select 1 from staff_grant held where held.grant_id = g.grant_id and held.staff_id = s.staff_id and held.state = 'effective'
                and held.valid_from <= r.at and r.at < held.valid_until
        )
    )
    and (r.first_grant is null or exists (
        select 1 from staff_grant held join staff_member m using (staff_id)
        where held.grant_id = r.first_grant and held.state = 'effective' and held.valid_from <= r.at and r.at < held.valid_until
            and m.state = 'active' and r.at < m.valid_until
    ))
returning s.token_hash

-- name: add_grant
insert into staff_grant (grant_id, staff_id, function, office, affair, information, file, valid_from, valid_until, state, version,
    requested_by, requested_card, approved_by, approved_card, approved_digest, mark)
select r.* from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::timestamptz[], $9::timestamptz[], $10::text[], $11::bigint[],
    $12::text[], $13::text[], $14::text[], $15::text[], $16::text[], $17::bytea[])
    as r (grant_id, staff_id, function, office, affair, information, file, valid_from, valid_until, state, version,
    requested_by, requested_card, approved_by, approved_card, approved_digest, mark)
on conflict do nothing
returning grant_id

-- name: change_grant
update staff_grant g set function = r.function, office = r.office, affair = r.affair, information = r.information, file = r.file,
    valid_from = r.valid_from, valid_until = r.valid_until, state = r.state, version = r.version, requested_by = r.requested_by, requested_card = r.requested_card,
    approved_by = r.approved_by, approved_card = r.approved_card, approved_digest = r.approved_digest, revoked_by = r.revoked_by, revoked_card = r.revoked_card,
    checked_by = r.checked_by, checked_card = r.checked_card, mark = r.mark
from unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::timestamptz[], $10::timestamptz[], $11::text[],
    $12::bigint[], $13::text[], $14::text[], $15::text[], $16::text[], $17::text[], $18::text[], $19::text[], $20::text[], $21::text[], $22::bytea[])
    as r (grant_id, was_state, was_version, function, office, affair, information, file, valid_from, valid_until, state,
    version, requested_by, requested_card, approved_by, approved_card, approved_digest, revoked_by, revoked_card, checked_by, checked_card, mark)
where g.grant_id = r.grant_id and g.state = r.was_state and g.version = r.was_version
returning g.grant_id

-- name: revoke_grants_of
with gone as (
    update staff_grant g set state = 'revoked', revoked_by = r.actor, revoked_card = r.card, mark = null
    from unnest($1::text[], $2::text[], $3::text[]) as r (staff_id, actor, card) where g.staff_id = r.staff_id and g.state in ('requested', 'effective')
)
select r.staff_id from unnest($1::text[]) as r (staff_id)

-- name: void_grants_of
-- $4: `id/version/mark` of each that is asked for anew. Any other was written since, or not by this server: it is revoked.
with r as (select * from unnest($1::text[], $2::text[], $3::text[], $4::text[]) as r (staff_id, actor, card, named)),
named as (
    select r.staff_id, split_part(word, '/', 1) as grant_id, split_part(word, '/', 2)::bigint as version, decode(split_part(word, '/', 3), 'hex') as mark
    from r, unnest(string_to_array(r.named, ' ')) as word
),
voided as (
    update staff_grant g set state = 'requested', version = g.version + 1, requested_by = r.actor, requested_card = r.card,
        approved_by = null, approved_card = null, approved_digest = null, mark = n.mark
    from r join named n using (staff_id)
    where g.staff_id = r.staff_id and g.grant_id = n.grant_id and g.version = n.version and g.state in ('requested', 'effective')
),
revoked as (
    update staff_grant g set state = 'revoked', revoked_by = r.actor, revoked_card = r.card, mark = null from r
    where g.staff_id = r.staff_id and g.state in ('requested', 'effective')
        and not exists (select from named n where n.staff_id = r.staff_id and n.grant_id = g.grant_id and n.version = g.version)
)
select staff_id from r

-- name: add_extension
insert into staff_extension (extension_id, staff_id, cards, valid_until, member_version, state, version, proposed_by, proposed_card)
select r.extension_id, r.staff_id, string_to_array(r.cards, ' '), r.valid_until, r.member_version, 'proposed', r.version, r.proposed_by, r.proposed_card
from unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::bigint[], $6::bigint[], $7::text[], $8::text[])
    as r (extension_id, staff_id, cards, valid_until, member_version, version, proposed_by, proposed_card)
on conflict do nothing
returning extension_id

-- name: change_extension
update staff_extension e set cards = string_to_array(r.cards, ' '), valid_until = r.valid_until, member_version = r.member_version, state = r.state, version = r.version,
    proposed_by = r.proposed_by, proposed_card = r.proposed_card, decided_by = r.decided_by, decided_card = r.decided_card
from unnest($1::text[], $2::bigint[], $3::text[], $4::timestamptz[], $5::bigint[], $6::text[], $7::bigint[], $8::text[], $9::text[], $10::text[], $11::text[])
    as r (extension_id, was_version, cards, valid_until, member_version, state, version, proposed_by, proposed_card, decided_by, decided_card)
where e.extension_id = r.extension_id and e.state = 'proposed' and e.version = r.was_version
returning e.extension_id

-- name: extension_stands
-- It waits still, as it was looked at; nobody changes it until this is through.
select e.extension_id from staff_extension e join unnest($1::text[], $2::bigint[]) as r (extension_id, version) using (extension_id, version)
where e.state = 'proposed' for update of e

-- name: forget_relation
with gone as (
    delete from staff_relation p using unnest($1::text[], $2::text[], $3::bytea[]) as r (staff_id, relation, person_index)
    where p.staff_id = r.staff_id and p.relation = r.relation and p.person_index = r.person_index
)
select r.staff_id from unnest($1::text[]) as r (staff_id)

-- name: add_relation
with added as (
    insert into staff_relation (staff_id, relation, person_index, number_sealed)
    select r.* from unnest($1::text[], $2::text[], $3::bytea[], $4::bytea[]) as r (staff_id, relation, person_index, number_sealed) on conflict do nothing
)
select r.staff_id from unnest($1::text[]) as r (staff_id)

-- name: mark_member
update staff_member m set mark = r.mark from unnest($1::text[], $2::bytea[]) as r (staff_id, mark) where m.staff_id = r.staff_id returning m.staff_id

-- name: mark_card
update staff_card c set mark = r.mark from unnest($1::text[], $2::bytea[]) as r (card_id, mark) where c.card_id = r.card_id returning c.card_id

-- name: mark_grant
update staff_grant g set mark = r.mark from unnest($1::text[], $2::bytea[]) as r (grant_id, mark) where g.grant_id = r.grant_id returning g.grant_id

-- name: mark_session
update staff_session s set mark = r.mark from unnest($1::text[], $2::bytea[]) as r (token_hash, mark) where s.token_hash = r.token_hash returning s.token_hash
