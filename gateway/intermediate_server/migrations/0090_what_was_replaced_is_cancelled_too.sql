-- A cancelled code takes what it had replaced along (docs/adr/0113). Those that were cancelled before this: what was replaced until then.
update former_code f set state = 'cancelled' from former_code c
where f.state = 'replaced' and c.integrated_number = f.integrated_number and c.state = 'cancelled' and c.code_index is not null and c.ended_at >= f.ended_at;

-- Whether a code of somebody was cancelled, for one of these reasons (null: any), since something was asked about them: then it may have been asked
-- about somebody else.
create function code_ended_since(number text, since timestamptz, reasons text[]) returns boolean stable language sql set search_path from current as $$
    select exists (select from former_code where integrated_number = number and state = 'cancelled' and code_index is not null and ended_at >= since
        and (reasons is null or reason = any(reasons)))
$$;
