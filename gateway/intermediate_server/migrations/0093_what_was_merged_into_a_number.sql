-- Which numbers were merged into one: the records of whoever lives on are found under them, too (SC-27; docs/adr/0115).
create index merged_number_lives_on on merged_number (lives_on);
