-- What gives authority bears a mark, keyed by the agency's ring, over all that decides (docs/adr/0110): whoever writes these tables without the ring
-- gives nobody anything. What is in force now is marked by the server, once, when it opens this agency. What is not in force bears none;
-- a right that is asked for does, since it says who asks.
alter table staff_member add column mark bytea, add constraint staff_member_mark check (mark is null or state = 'active');
alter table staff_card add column mark bytea, add constraint staff_card_mark check (mark is null or state = 'active');
alter table staff_grant add column mark bytea, add constraint staff_grant_mark check (mark is null or state in ('requested', 'effective'));
alter table staff_session add column mark bytea, add constraint staff_session_mark check (mark is null or ended_at is null);
