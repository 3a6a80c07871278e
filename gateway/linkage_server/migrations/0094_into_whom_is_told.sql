-- The intermediate server is told of every merge once more, by now into whom and not who lives on at the end: of a chain of merges the later one alone may be
-- undone, and then nobody is shown the records of the one who was merged first but the one in the middle (SC-27; docs/adr/0115).
update code_standing c set state = 'cancelling', reason = 'merged', tries = 0, next_at = now()
from person p where p.integrated_number = c.integrated_number and p.merged_into is not null
    and c.state in ('without_individual_number', 'cancelled');
