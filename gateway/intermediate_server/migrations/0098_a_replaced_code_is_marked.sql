-- A replaced code bears a mark, keyed by the agency's ring, over whose it was (docs/adr/0123): what finds its row says nothing of that. Those of before
-- have none, and are refused. What is cancelled bears none.
alter table former_code add column mark bytea, add constraint former_code_mark check (mark is null or state = 'replaced');
