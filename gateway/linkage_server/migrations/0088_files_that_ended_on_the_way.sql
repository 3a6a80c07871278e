-- Why a file that was begun was given back without a result; null while it is at work. The same bytes, sent again, go on from there.
alter table intake add column stopped_because text;
alter table inquiry_file add column stopped_because text;
