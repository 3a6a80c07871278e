-- A restored intermediate server has lost the codes that came since its backup: everybody is asked about once more, by a run for each time that its log
-- was opened anew (docs/adr/0105).
alter table code_run add column opened_anew integer unique;
