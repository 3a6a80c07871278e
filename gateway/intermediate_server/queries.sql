-- name: what_is_due
-- What the sweeper has to look at: inquiries, provisions held too long (or nearly, until $6), decisions to deliver, results whose time has come,
-- code requests whose window is over, and ended sessions, challenges and counts of staff (kept until $2);
-- years whose records are seven years old (up to $3), erasures without a certificate, and records that have no row to be found by;
-- so many entries ($4) that no month counts yet, and jobs past the time that history is kept ($5);
-- erasures of copies of days that are over (before $7), and copies whose last public day is (before $8).
select exists (select from inquiry where due_at <= $1) as inquiries,
    exists (select from provision where state = 'held' and answer_by < $1) as held,
    exists (select from provision where state = 'held' and escalated_at is null and answer_by <= $6) as to_escalate,
    (select count(*) from provision where state = 'held') as waiting,
    (select count(*) from provision where state = 'held' and escalated_at is not null) as escalated,
    exists (select from provision where push_at <= $1) as decided,
    exists (select from inquiry where result_until <= $1 and result_sealed is not null) as results,
    exists (select from log_head h left join log_pruned p using (year) where h.year <= $3 and h.size > coalesce(p.upto, 0))
        and exists (select from log_head where year = $3 + 7 and size > 0) as years,
    exists (select from erasure where state = 'begun' and (kind <> 'replicas' or key_purpose < $7)) as erasures,
    exists (select from replica where public_to < $8) as copies,
    exists (select from record_indexing) as unindexed,
    exists (select from person_code where bound_at is null and expires_at < $1) as code_requests,
    exists (select from staff_challenge where expires_at < $1) or exists (select from staff_session where until < $2)
        or exists (select from staff_attempt where counted_from < $2 and (locked_until is null or locked_until < $2)) as staff,
    exists (select from log_head h left join exchange_counted c using (year) where h.size >= coalesce(c.size, 0) + $4) as uncounted,
    exists (select from job where finished_at < $5) as jobs
