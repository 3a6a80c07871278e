-- What an exchange record is found by, too (IS-5): 委任元 of both sides, and what came of the exchange where the record says that (docs/outcomes.md).
alter table log_record add column inquirer_for text, add column provider_for text, add column outcome text;
update log_record r set inquirer_for = e.entry ->> 'inquirer_for', provider_for = e.entry ->> 'provider_for'
from (
    select year, idx, convert_from(body, 'UTF8')::jsonb as entry from log_entry where position('_for":'::bytea in body) > 0
) as e
where r.year = e.year and r.idx = e.idx;
update log_record set outcome = case
    when kind in ('inquiry.answered', 'provision.made', 'provision.released') then 'answered'
    when kind in ('inquiry.not_provided', 'provision.not_provided') then 'not_provided'
    when kind in ('inquiry.held', 'provision.held') then 'held'
    else 'expired' end
where kind in ('inquiry.answered', 'provision.made', 'provision.released', 'inquiry.not_provided', 'provision.not_provided',
    'inquiry.held', 'provision.held', 'provision.expired');
update log_record r set outcome = case
    when r.kind = 'inquiry.aborted' then case when e.reason = 'deadline_passed' then 'timed_out' else 'aborted' end
    when e.reason in ('permit_signature', 'permit_other_party', 'permit_request_differs', 'permit_key_differs', 'permit_expired',
        'permit_other_person', 'inquirer_signature', 'request_expired', 'permit_replayed', 'inquiry_answered_before',
        'request_differs_from_permit', 'permit_of_another_party', 'permit_unknown', 'signature_invalid', 'inquiry_number_reused',
        'expiry_too_late') then 'refused_by_permit'
    when e.reason in ('list_digest_unknown', 'list_not_in_force', 'basis_not_in_force', 'pia_duty_not_met', 'inquires_of_itself',
        'affair_not_listed', 'not_in_force', 'inquirer_not_in_row', 'provider_not_in_row', 'information_not_in_row', 'term_undetermined',
        'no_detail', 'list_overdue', 'delegation_not_on_file') then 'refused_by_list'
    when e.reason in ('refused_by_staff', 'protection_of_person') then 'refused_by_staff'
    when e.reason = 'non_disclosure' then 'refused_for_non_disclosure'
    when e.reason = 'held_past_deadline' then 'expired'
    else 'refused' end
from (
    select year, idx, convert_from(body, 'UTF8')::jsonb ->> 'reason' as reason from log_entry
    where body is not null and kind in ('inquiry.aborted', 'inquiry.refused', 'inquiry.denied', 'inquiry.refused_by_provider',
        'inquiry.refused_by_network', 'provision.refused')
) as e
where r.year = e.year and r.idx = e.idx;
create index log_record_inquirer_for on log_record (inquirer_for, at) where inquirer_for is not null;
create index log_record_provider_for on log_record (provider_for, at) where provider_for is not null;
create index log_record_outcome on log_record (outcome, at) where outcome is not null;

drop function append_log;
create function append_log(
    of_year integer, old_size bigint, new_size bigint, new_peaks bytea, new_note text, new_root bytea,
    entry_ids text[], instants timestamptz[], kinds text[], inquiry_numbers text[], bodies bytea[], leaves bytea[], personals bytea[],
    levels smallint[], indexes bigint[], hashes bytea[],
    origins text[], sizes bigint[], notes text[], seen timestamptz,
    partners text[], items text[], informations text[], actors text[], subjects bytea[],
    inquirers_for text[], providers_for text[], outcomes text[]
) returns boolean language plpgsql as $$
begin
    update log_head set size = new_size, peaks = new_peaks, note = new_note where year = of_year and size = old_size;
    if not found then
        return false;
    end if;
    insert into log_entry (year, idx, entry_id, at, kind, inquiry_number, body, leaf, personal)
    select of_year, old_size + r.place - 1, r.entry_id, r.at, r.kind, r.inquiry_number, r.body, r.leaf, r.personal
    from unnest(entry_ids, instants, kinds, inquiry_numbers, bodies, leaves, personals)
        with ordinality as r (entry_id, at, kind, inquiry_number, body, leaf, personal, place);
    if cardinality(partners) > 0 then
        insert into log_record (year, idx, at, kind, partner, item, information, actor, subject, inquirer_for, provider_for, outcome)
        select of_year, old_size + r.place - 1, r.at, r.kind, r.partner, r.item, r.information, r.actor, r.subject,
            r.inquirer_for, r.provider_for, r.outcome
        from unnest(instants, kinds, partners, items, informations, actors, subjects, inquirers_for, providers_for, outcomes)
            with ordinality as r (at, kind, partner, item, information, actor, subject, inquirer_for, provider_for, outcome, place)
        where r.partner is not null;
    end if;
    insert into log_checkpoint (year, size, root, note) values (of_year, new_size, new_root, new_note);
    if cardinality(levels) > 0 then
        insert into log_subtree (year, level, idx, hash)
        select of_year, r.level, r.idx, r.hash from unnest(levels, indexes, hashes) as r (level, idx, hash);
    end if;
    if cardinality(origins) > 0 then
        insert into peer_checkpoint (origin, size, note, seen_at)
        select r.origin, r.size, r.note, seen from unnest(origins, sizes, notes) as r (origin, size, note)
        on conflict (origin) do update set size = excluded.size, note = excluded.note, seen_at = excluded.seen_at
        where peer_checkpoint.size < excluded.size;
    end if;
    return true;
end $$;
