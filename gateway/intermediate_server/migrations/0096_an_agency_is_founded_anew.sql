-- An agency in which too few are left to grant anything is founded anew: by other documents, each taken once (docs/adr/0116).
alter table staff_founding
    drop constraint staff_founding_once,
    add constraint staff_founding_place check (founded = 'founded' or founded ~ '^anew/[1-9][0-9]*$'),
    add constraint staff_founding_once unique (digest);
