-- That a copy was withdrawn (its record id and revision) is kept so long as what is over (docs/adr/0078), and no longer.
-- Since when was not noted before: for those the time begins now.
alter table replica_withdrawn add column withdrawn_at timestamptz not null default now();
alter table replica_withdrawn alter column withdrawn_at drop default;
create index replica_withdrawn_since on replica_withdrawn (withdrawn_at);
alter table erasure drop constraint erasure_kind;
alter table erasure add constraint erasure_kind
    check (kind in ('results', 'records', 'replicas', 'bars', 'codes', 'relations', 'withdrawals'));
-- Bars that wait to be checked are told to staff (IS-10).
create index bar_unchecked on bar (set_at) where state = 'unchecked';
drop function what_is_due;
create function what_is_due(names text[], given text[])
returns table (inquiries boolean, held boolean, to_escalate boolean, waiting bigint, escalated bigint, decided boolean, results boolean, years boolean,
    erasures boolean, copies boolean, unindexed boolean, code_requests boolean, staff boolean, sessions boolean, uncounted boolean, jobs boolean, ended boolean)
stable language plpgsql set search_path from current as $$
#variable_conflict use_column
declare
    said jsonb := jsonb_object(names, given);
    this_moment timestamptz := said ->> 'now';
    escalate_until timestamptz := said ->> 'escalate_until';
    staff_since timestamptz := said ->> 'staff_since';
    idle_since timestamptz := said ->> 'idle_since';
    jobs_since timestamptz := said ->> 'jobs_since';
    last_year integer := said ->> 'last_year';
    stretch bigint := said ->> 'stretch';
    open_day text := said ->> 'open_day';
    ended_before timestamptz := said ->> 'ended_before';
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
        exists (select from erasure where state = 'begun' and (kind in ('results', 'records') or split_part(key_purpose, '/', 2) < open_day)),
        exists (select from replica where public_to < this_day),
        exists (select from record_indexing),
        exists (select from person_code where bound_at is null and expires_at < this_moment),
        exists (select from staff_challenge where expires_at < this_moment) or exists (select from staff_session where until < staff_since and end_recorded)
            or exists (select from staff_attempt where counted_from < staff_since and (locked_until is null or locked_until < staff_since)),
        exists (select from staff_session where not end_recorded and (ended_at is not null or until <= this_moment or seen_at <= idle_since)),
        exists (select from log_head h left join exchange_counted c using (year) where h.size >= coalesce(c.size, 0) + stretch),
        exists (select from job where finished_at < jobs_since),
        exists (select from bar where state = 'lifted' and changed_at < ended_before) or exists (select from former_code where ended_at < ended_before)
            or exists (select from staff_relation r join staff_member m using (staff_id) where m.state = 'left' and m.left_at < ended_before)
            or exists (select from replica_withdrawn where withdrawn_at < ended_before);
end $$;
