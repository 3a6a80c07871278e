-- Whose a record is (委任): null, the agency's own, or the agency that has delegated answering about it.
alter table original add column delegator text;
alter table original_past add column delegator text;
