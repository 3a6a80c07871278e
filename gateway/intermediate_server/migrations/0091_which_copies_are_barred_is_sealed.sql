-- Which copies are barred (自動応答不可フラグ) is sealed with their items (docs/adr/0112): the column said who is under support measures. The word goes at once,
-- by writing the table anew, so that no page keeps it: the seal of before was bound to it and opens with the right one of two. The server seals such copies
-- anew when it opens this agency, which has the keys; `flag_beside` names them until then.
alter table replica drop constraint replica_auto_response;
alter table replica alter column auto_response drop not null, alter column auto_response type boolean using true;
alter table replica rename column auto_response to flag_beside;
create index replica_flag_beside on replica (record_id) where flag_beside;
