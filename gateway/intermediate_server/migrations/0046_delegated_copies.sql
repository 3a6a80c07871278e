-- Whose a copy is (委任): null, the agency's own, or the agency that has delegated answering. Bound into the seal of the copy when it is there.
alter table replica add column delegator text;
