-- What is looked at before an inquiry is registered: codes of people (kind 'person') and what stands under a message id ('message').
-- A function, so that it stays planned for the schema it lives in, and one statement asks several tenants (`across.look`).
create function before_registering(text[], text[])
returns table (kind text, key text, sealed bytea, inquiry_number text)
stable language plpgsql set search_path from current as $$
#variable_conflict use_column
begin
    return query
    select r.kind, c.integrated_number, c.code_sealed, null::text
    from unnest($1, $2) as r (kind, integrated_number) join person_code c using (integrated_number)
    where r.kind = 'person' and c.bound_at is not null
    union all
    select r.kind, i.message_id, i.message_digest, i.inquiry_number
    from unnest($1, $2) as r (kind, message_id) join inquiry i using (message_id)
    where r.kind = 'message';
end $$;

-- the writes of every inquiry: registering and ending. Functions for the same reason; their callers guard by what they return
create function register_inquiry(text[], bytea[], text[], text[], text[], text[], text[], text[], text[], text[], text[], text[], text[], text[], text[], bytea[], bytea[], bytea[], bytea[], text[], timestamptz[], timestamptz[], timestamptz[], timestamptz[])
returns setof text language plpgsql set search_path from current as $$
#variable_conflict use_column
begin
    return query
    insert into inquiry (message_id, message_digest, inquiry_number, system, actor, purpose, integrated_number, provider, basis, item, information, items,
        state, reason, list_digest, request, signature, public_key, private_sealed, key_purpose, registered_at, answer_by, result_until, due_at)
    select r.* from unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10,
        $11, $12, $13, $14, $15, $16, $17, $18, $19, $20,
        $21, $22, $23, $24)
        as r (message_id, message_digest, inquiry_number, system, actor, purpose, integrated_number, provider, basis, item, information, items,
        state, reason, list_digest, request, signature, public_key, private_sealed, key_purpose, registered_at, answer_by, result_until, due_at)
    on conflict do nothing
    returning inquiry.message_id;
end $$;

create function end_inquiry(text[], text[], text[], text[], text[], text[], text[], text[], bytea[])
returns setof text language plpgsql set search_path from current as $$
#variable_conflict use_column
begin
    return query
    update inquiry set state = r.state, permit = r.permit, permit_id = r.permit_id, reason = r.reason, outcome = r.outcome, sealed_digest = r.sealed_digest, result_sealed = r.result_sealed,
        private_sealed = null, due_at = null
    from unnest($1, $2, $3, $4, $5, $6, $7, $8, $9)
        as r (inquiry_number, from_state, state, permit, permit_id, reason, outcome, sealed_digest, result_sealed)
    where inquiry.inquiry_number = r.inquiry_number and inquiry.state = r.from_state
    returning inquiry.inquiry_number;
end $$;
