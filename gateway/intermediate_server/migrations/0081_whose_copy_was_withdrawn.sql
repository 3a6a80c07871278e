-- Whose copy it was stays with what was withdrawn, sealed and found as whose a bar is (0075_bars_are_sealed.sql): the person's bars follow the record to
-- whatever number it is registered under next (SC-4; docs/adr/0083). Of what was withdrawn before, it is not known.
alter table replica_withdrawn add column person_index bytea, add column number_sealed bytea,
    add constraint replica_withdrawn_whose check ((person_index is null) = (number_sealed is null));
