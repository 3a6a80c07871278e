-- A permit may be taken back before it is presented: nobody redeems it any more, and its code is forgotten.
alter table permit drop constraint permit_state;
alter table permit add constraint permit_state check (state in ('issued', 'refused', 'relayed', 'revoked'));
alter table permit add constraint permit_revoked_is_forgotten check (state <> 'revoked' or (code_sealed is null and relayed_request_digest is null));
