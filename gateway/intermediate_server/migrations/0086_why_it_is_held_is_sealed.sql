-- Why a provision is held lies sealed while it is held, and goes with the decision (docs/adr/0106): `person_barred` beside a number said who is under
-- support measures. Of what is decided the word goes at once, by writing the table anew, so that no page keeps it; what is held is sealed by the server
-- when it opens this agency. The records of before say it for their seven years: a log is not changed.
alter table provision add column ground_sealed bytea, alter column ground type text using case when state = 'held' then ground end;
create index provision_ground on provision (permit_id) where ground_sealed is not null;
create index provision_ground_in_clear on provision (permit_id) where ground is not null;
