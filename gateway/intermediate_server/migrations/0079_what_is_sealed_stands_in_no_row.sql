-- Whether a provider has somebody, and in which period, is sealed for the inquirer and goes with its result (SC-3, docs/adr/0015). Its kind stood here in
-- clear as well for as long as the row: nobody read it. The column is emptied by writing the table anew, so that no page keeps the words.
alter table inquiry alter column outcome type text using null::text;
drop function end_inquiry;
alter table inquiry drop column outcome;
create function end_inquiry(text[], text[], text[], text[], text[], text[], text[], bytea[])
returns setof text language plpgsql set search_path from current as $$
#variable_conflict use_column
begin
    return query
    update inquiry set state = r.state, permit = r.permit, permit_id = r.permit_id, reason = r.reason, sealed_digest = r.sealed_digest, result_sealed = r.result_sealed,
        private_sealed = null, due_at = null
    from unnest($1, $2, $3, $4, $5, $6, $7, $8)
        as r (inquiry_number, from_state, state, permit, permit_id, reason, sealed_digest, result_sealed)
    where inquiry.inquiry_number = r.inquiry_number and inquiry.state = r.from_state
    returning inquiry.inquiry_number;
end $$;
