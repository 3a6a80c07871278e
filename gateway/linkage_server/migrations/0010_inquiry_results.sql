-- Results of inquiries by webhook (LS-3.1, LS-3.2; docs/adr/0034): a notice is a delivery without a person.

-- result_year, result_index: up to where the intermediate server's log was followed for ends of this system's inquiries; null: not wanted.
-- results_since: files of inquiries that were finished before were never asked to be told.
alter table push_target
    add column result_year integer,
    add column result_index bigint,
    add column results_since timestamptz,
    add constraint push_target_results_whole check ((result_year is null) = (result_index is null) and (result_year is null) = (results_since is null)),
    add constraint push_target_results_by_webhook check (result_year is null or kind = 'webhook');

alter table push_delivery alter column integrated_number drop not null;
create index push_delivery_notice on push_delivery (business_system_id, place) where integrated_number is null and state = 'ready';

-- told: of how many outputs (the result, then supplements) the business system was told.
alter table inquiry_file add column told integer not null default 0;
