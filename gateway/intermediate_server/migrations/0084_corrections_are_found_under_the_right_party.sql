-- A correction of a party is found under the agency that is right instead, as one of a person is under the right person (IS-5; docs/adr/0090).
update log_record r set
    partner = case when e.field in ('inquirer', 'provider') then e.value else r.partner end,
    inquirer_for = case when e.field = 'inquirer_for' then nullif(e.value, '') else r.inquirer_for end,
    provider_for = case when e.field = 'provider_for' then nullif(e.value, '') else r.provider_for end
from (
    select year, idx, entry -> 'facts' ->> 'field' as field, entry -> 'facts' ->> 'value' as value from (
        select year, idx, convert_from(body, 'UTF8')::jsonb as entry from log_entry where kind = 'record.corrected' and body is not null
    ) as corrections
) as e
where r.year = e.year and r.idx = e.idx and e.field in ('inquirer', 'provider', 'inquirer_for', 'provider_for');
