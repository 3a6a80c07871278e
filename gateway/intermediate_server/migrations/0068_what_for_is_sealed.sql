-- What an inquiry was for lies sealed beside its record (docs/adr/0062) and stood here in clear as well: nobody read it, and it may name somebody.
-- The column is emptied by writing the table anew, so that no page keeps the words.
alter table inquiry alter column purpose type text using '';
drop function register_inquiry;
alter table inquiry drop column purpose;
create function register_inquiry(text[], bytea[], text[], text[], text[], text[], text[], text[], text[], text[], text[], text[], text[], text[], bytea[], bytea[], bytea[], bytea[], text[], timestamptz[], timestamptz[], timestamptz[], timestamptz[])
returns setof text language plpgsql set search_path from current as $$
#variable_conflict use_column
begin
    return query
    insert into inquiry (message_id, message_digest, inquiry_number, system, actor, integrated_number, provider, basis, item, information, items,
        state, reason, list_digest, request, signature, public_key, private_sealed, key_purpose, registered_at, answer_by, result_until, due_at)
    select r.* from unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10,
        $11, $12, $13, $14, $15, $16, $17, $18, $19, $20,
        $21, $22, $23)
        as r (message_id, message_digest, inquiry_number, system, actor, integrated_number, provider, basis, item, information, items,
        state, reason, list_digest, request, signature, public_key, private_sealed, key_purpose, registered_at, answer_by, result_until, due_at)
    on conflict do nothing
    returning inquiry.message_id;
end $$;
