-- name: what_is_due
select * from across.look('what_is_due', $1::text[], $2::text[], $3::text[])
    as r (tenant text, inquiries boolean, held boolean, to_escalate boolean, waiting bigint, escalated bigint, decided boolean, results boolean, years boolean,
        erasures boolean, copies boolean, unindexed boolean, code_requests boolean, staff boolean, sessions boolean, uncounted boolean, jobs boolean, ended boolean)

