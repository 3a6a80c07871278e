-- The intermediate server is told who lives on of everybody who was merged, so that what is barred at the one number is barred at the other (SC-4; docs/adr/0098).
update code_standing c set state = 'cancelling', reason = 'merged', tries = 0, next_at = now()
from person p where p.integrated_number = c.integrated_number and p.merged_into is not null
    and c.state in ('without_individual_number', 'cancelled');
