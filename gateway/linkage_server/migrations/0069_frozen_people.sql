-- Who is frozen, for the report of who has no code: a few people, whatever the size of the ward (LS-4).
create index person_frozen on person (integrated_number) where frozen;
