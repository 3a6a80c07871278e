-- What the sweeper has to look at, as a function, so that it stays planned for the schema it lives in. Named arguments (names, values):
-- inquiries, provisions held too long (or nearly, until `escalate_until`), decisions to deliver, results whose time has come (`now`),
-- code requests whose window is over, and ended sessions, challenges and counts of staff (kept until `staff_since`);
-- years whose records are seven years old (up to `last_year`), erasures without a certificate, and records that have no row to be found by;
-- so many entries (`stretch`) that no month counts yet, and jobs past the time that history is kept (`jobs_since`);
-- erasures of copies of days that are over (before `open_purpose`), and copies whose last public day is (before `today`).
create function what_is_due(names text[], given text[])
returns table (inquiries boolean, held boolean, to_escalate boolean, waiting bigint, escalated bigint, decided boolean, results boolean, years boolean,
    erasures boolean, copies boolean, unindexed boolean, code_requests boolean, staff boolean, uncounted boolean, jobs boolean)
stable language plpgsql set search_path from current as $$
#variable_conflict use_column
declare
    said jsonb := jsonb_object(names, given);
    this_moment timestamptz := said ->> 'now';
    escalate_until timestamptz := said ->> 'escalate_until';
    staff_since timestamptz := said ->> 'staff_since';
    jobs_since timestamptz := said ->> 'jobs_since';
    last_year integer := said ->> 'last_year';
    stretch bigint := said ->> 'stretch';
    open_purpose text := said ->> 'open_purpose';
    this_day date := said ->> 'today';
begin
    return query
    select exists (select from inquiry where due_at <= this_moment),
        exists (select from provision where state = 'held' and answer_by < this_moment),
        exists (select from provision where state = 'held' and escalated_at is null and answer_by <= escalate_until),
        (select count(*) from provision where state = 'held'),
        (select count(*) from provision where state = 'held' and escalated_at is not null),
        exists (select from provision where push_at <= this_moment),
        exists (select from inquiry where result_until <= this_moment and result_sealed is not null),
        exists (select from log_head h left join log_pruned p using (year) where h.year <= last_year and h.size > coalesce(p.upto, 0))
            and exists (select from log_head where year = last_year + 7 and size > 0),
        exists (select from erasure where state = 'begun' and (kind <> 'replicas' or key_purpose < open_purpose)),
        exists (select from replica where public_to < this_day),
        exists (select from record_indexing),
        exists (select from person_code where bound_at is null and expires_at < this_moment),
        exists (select from staff_challenge where expires_at < this_moment) or exists (select from staff_session where until < staff_since)
            or exists (select from staff_attempt where counted_from < staff_since and (locked_until is null or locked_until < staff_since)),
        exists (select from log_head h left join exchange_counted c using (year) where h.size >= coalesce(c.size, 0) + stretch),
        exists (select from job where finished_at < jobs_since);
end $$;
