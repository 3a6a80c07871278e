-- This agency's own copy of the permission list (PL-4): every version it has taken, with the signature it was taken under.
-- Nothing is deleted: a record of 7 years names a list by its digest.
create table list_version (
    number integer primary key,
    content_digest text not null,
    valid_from date not null,
    supersedes text,
    head bytea not null,
    signature bytea not null,
    content bytea not null,
    received_at timestamptz not null,
    constraint list_version_number check (number > 0),
    constraint list_version_first_supersedes_nothing check ((number = 1) = (supersedes is null))
);

-- A version that was not taken, once; the reason is in the log with it.
create table list_refusal (
    digest text primary key,
    reason text not null,
    refused_at timestamptz not null
);
