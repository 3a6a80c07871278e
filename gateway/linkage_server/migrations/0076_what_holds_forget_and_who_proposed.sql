-- What lies sealed in a hold goes a while after it was decided; that it was held, why, and how it was decided stays (LS-1.3, SC-3).
-- forgotten_at: since when no 個人番号 lies here and nothing else that is not needed; the items of the row by which an addressee number was linked
-- last stay: undoing the link takes them up again.
alter table review_hold
    alter column sealed drop not null,
    add column decided_at timestamptz,
    add column forgotten_at timestamptz;

update review_hold h
set decided_at = coalesce((select max(d.ended_at) from review_decision d where d.hold_id = h.hold_id and d.state = 'done'), now())
where state <> 'open';

alter table review_hold
    add constraint review_hold_decided check ((decided_at is not null) = (state <> 'open')),
    add constraint review_hold_forgotten check (forgotten_at is null or decided_at is not null),
    add constraint review_hold_sealed check (sealed is not null or forgotten_at is not null);
create index review_hold_to_forget on review_hold (decided_at) where decided_at is not null and forgotten_at is null;

-- By which client a decision was proposed: an agency may want another one to approve it (docs/adr/0081). Null: before the update.
alter table review_decision add column proposed_client text;
