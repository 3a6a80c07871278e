-- name: list_versions_after
select number, head, signature, content from list_version where number > $1 order by number

-- name: take_list_version
-- Only on top of the version before, whose content it supersedes.
insert into list_version (number, content_digest, valid_from, supersedes, head, signature, content, received_at)
select r.number::integer, r.content_digest, r.valid_from, r.supersedes, r.head, r.signature, r.content, r.received_at
from unnest($1::text[], $2::text[], $3::date[], $4::text[], $5::bytea[], $6::bytea[], $7::bytea[], $8::timestamptz[])
    as r (number, content_digest, valid_from, supersedes, head, signature, content, received_at)
where (r.supersedes is null and not exists (select from list_version))
    or exists (select from list_version p where p.number = r.number::integer - 1 and p.content_digest = r.supersedes)
on conflict do nothing
returning number::text

-- name: refuse_list_version
insert into list_refusal (digest, reason, refused_at)
select r.digest, r.reason, r.refused_at from unnest($1::text[], $2::text[], $3::timestamptz[]) as r (digest, reason, refused_at)
on conflict do nothing
returning digest
