-- What staff typed of a person in a split lies sealed in the decision, a 個人番号 too, and is in the person's history once it was carried out. It goes as
-- what lies in a hold goes (LS-1.3, SC-3): a while after the decision's end, whatever that was. forgotten_at: since when nothing of it lies here.
alter table review_decision
    add column forgotten_at timestamptz,
    add constraint review_decision_forgotten check (forgotten_at is null or ended_at is not null);
create index review_decision_to_forget on review_decision (ended_at) where ended_at is not null and forgotten_at is null;
