-- Since when the core does not renew a code, for the staff who see to it (IS-1); null: since before this was kept. Kept over what is sent again, gone with success.
alter table person_code add column renewal_refused_at timestamptz;
