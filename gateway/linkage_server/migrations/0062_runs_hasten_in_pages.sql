-- How far a run of code requests has hastened people: after which integrated number it goes on, null when it is through. Those that run now are.
alter table code_run add column hastening_after bigint;
alter table code_run alter column hastening_after set default 0;
