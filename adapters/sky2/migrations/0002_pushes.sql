-- The secret with which the linkage server signs the changes that it pushes, sealed.
create table push_secret (
  only_row boolean primary key default true,
  sealed bytea not null,
  constraint push_secret_one_row check (only_row)
);
