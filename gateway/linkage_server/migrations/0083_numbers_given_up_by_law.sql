-- by_law: another number took its place by a change of the number (番号法7条2項), so it was the person's, and a code that was asked for under it is
-- replaced; one that staff put right ends first (LS-4). Of those of before the update it is known from the person's next change on.
alter table former_individual_number add column by_law boolean not null default false;
