-- What a request says beyond what every one must (不開示, period, delegations), as JSON: the records of an outcome repeat it.
alter table permit add column said text not null default '{}';
