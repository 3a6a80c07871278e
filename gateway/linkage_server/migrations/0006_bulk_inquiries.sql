-- Inquiries in bulk (LS-3.2): a file of lines, asked once each, whatever happens to the process.

-- One row a file: the same bytes from the same system are the same file, whatever its name.
-- asking: lines are asked; finished: the result is fixed, lines left open come with supplements; settled: nothing is open;
-- forgotten: the answers are deleted (SC-3), the row stays so that the file is never asked again.
create table inquiry_file (
    file_id bigint generated always as identity primary key,
    business_system_id text not null,
    sha256 bytea not null,
    name text not null,
    form text not null,
    encoding text not null,
    lines int not null,
    state text not null default 'asking',
    taken_at timestamptz not null,
    asked_at timestamptz,
    finished_at timestamptz,
    supplements int not null default 0,
    supplements_written int not null default 0,
    supplement_at timestamptz,
    constraint inquiry_file_once unique (business_system_id, sha256),
    constraint inquiry_file_digest check (octet_length(sha256) = 32),
    constraint inquiry_file_form check (form in ('comma_and_width', 'width', 'csv')),
    constraint inquiry_file_state check (state in ('asking', 'finished', 'settled', 'forgotten')),
    constraint inquiry_file_finished check ((finished_at is null) = (state = 'asking')),
    constraint inquiry_file_supplements check (supplements_written <= supplements)
);
create index inquiry_file_not_settled on inquiry_file (file_id) where state <> 'settled' and state <> 'forgotten';

-- One row a line that has an answer, or that the intermediate server has registered (is_open). What was asked and answered is sealed,
-- bound to file and line. left_as: what an open line was called in the result file; part: the supplement that brought it afterwards.
create table inquiry_file_line (
    file_id bigint not null references inquiry_file (file_id),
    line int not null,
    class text not null,
    is_open boolean not null,
    left_as text,
    part int,
    inquiry_number text,
    sealed bytea,
    primary key (file_id, line),
    constraint inquiry_file_line_open_has_a_number check (not is_open or inquiry_number is not null),
    constraint inquiry_file_line_part_was_left check (part is null or (left_as is not null and not is_open))
);
create index inquiry_file_line_open on inquiry_file_line (file_id) where is_open;
