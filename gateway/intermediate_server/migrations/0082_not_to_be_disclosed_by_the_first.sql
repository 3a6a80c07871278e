-- 不開示 (番号法23条2項) as the first of two people has said it: it counts when the second one releases (SC-4).
alter table held_approval add column non_disclosure boolean not null default false;
