-- What waits for the background loops of this tenant; one statement asks every tenant of a process (`across.look`), instead of each loop by itself.
create function waiting_work(text[], text[])
returns table (search boolean, business_information boolean, reviews boolean, pushes boolean, codes boolean)
stable language plpgsql set search_path from current as $$
declare
    person bigint := coalesce((select max(revision) from person), 0);
    addressee bigint := coalesce((select max(revision) from addressee), 0);
begin
    return query
    select (select s.revision < person from search_progress s),
        (select c.person_revision < person or c.addressee_revision < addressee from business_cursor c)
            or exists (select from original o where o.transfer = 'due'),
        exists (select from review_decision d where d.state in ('approved', 'withdrawing', 'applied')),
        exists (select from push_target t where t.state = 'on'),
        (select f.revision < person from code_follower f);
end $$;
