-- Who has delegated asking (委任元): a bar at that inquirer touches what is held for it, too. Of what is held already it stands in the permit (a compact JWS).
alter table provision add column inquirer_for text;
update provision set inquirer_for = convert_from(decode(rpad(translate(split_part(permit, '.', 2), '-_', '+/'),
    (length(split_part(permit, '.', 2)) + 3) / 4 * 4, '='), 'base64'), 'utf8')::jsonb ->> 'inquirer_for'
where state = 'held';
