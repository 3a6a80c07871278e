-- merged_from: the person whom an addressee number meant before merges, when another lives on from them: as-of looks tell of before (LS-1.2), and a
-- split goes back there (LS-1.3). known_since, came_at: the day of what was sent when the number was registered for its person, and when it came;
-- null: not known, since the number means another person by a decision, or is of before the update.
alter table addressee
    add column merged_from bigint,
    add column known_since date,
    add column came_at timestamptz,
    add constraint addressee_known_since check ((known_since is null) = (came_at is null)),
    add constraint addressee_merged_from_a_person foreign key (merged_from) references person (integrated_number);

-- Of merges of before, as far as a change came under the number, or under one whose place it took.
do $$
begin
    if exists (select from person where merged_into is not null) then
        execute $fill$
            with recursive one (lives_on, integrated_number) as (
                select integrated_number, integrated_number from person where merged_into is null
                union
                select one.lives_on, p.integrated_number from person p join one on p.merged_into = one.integrated_number
            ), came (business_system_id, addressee_number, integrated_number, merged_from) as (
                select distinct on (a.business_system_id, a.addressee_number) a.business_system_id, a.addressee_number, a.integrated_number, one.integrated_number
                from addressee a join one on one.lives_on = a.integrated_number and one.integrated_number <> a.integrated_number
                    join person_event e on (e.integrated_number, e.business_system_id, e.addressee_number)
                        = (one.integrated_number, a.business_system_id, a.addressee_number)
                order by a.business_system_id, a.addressee_number, e.event_no
            ), known as (
                select * from came
                union
                select a.business_system_id, a.replaced_by, k.integrated_number, k.merged_from
                from known k join addressee a using (business_system_id, addressee_number, integrated_number) where a.replaced_by is not null
            )
            update addressee a set merged_from = k.merged_from from known k
            where (a.business_system_id, a.addressee_number, a.integrated_number) = (k.business_system_id, k.addressee_number, k.integrated_number)
        $fill$;
    end if;
end $$;
