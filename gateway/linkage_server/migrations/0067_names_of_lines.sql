-- Under which version of the key its lines are named while they are asked: the one of the time when the file was taken, so that a line is asked once
-- also when the key is rotated meanwhile, and an old version names nothing for ever.
alter table inquiry_file add column named_under integer not null default 1;
alter table inquiry_file alter column named_under drop default;
