"""閲覧の記録: every look at people is an entry of the log before its answer leaves (LS-1.4, SC-13, SC-14).

An entry says who looked, in which affair, how, at how many. It holds nobody's number: a keyed commitment for each person, another in each
entry, so that entries are not linked by whom they are about. The table `access_subject` finds the entries of one person, for those who audit.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from enum import StrEnum
from typing import Any, Final

from evidence.entry import EntryKind, encode_entry, other_entry
from gateway.linkage_server.access.sight import LookReason, Sight
from gateway.linkage_server.tenant import Agency, new_entry_id
from storage import sql
from storage.committer import Commit, NewEntry, Statement, Write, commit_step

SEEN_STEP: Final = commit_step("linkage", "persons.seen")
MOST_PERSONS: Final = 1_000
"""Persons in one entry; more are split over entries."""
_PUT_SUBJECT: Final = Statement("put_subject", sql.load("gateway.linkage_server.access")["put_subject"])


class Look(StrEnum):
    """How somebody looked."""

    SEARCH = "search"
    PERSON = "person"
    HISTORY = "history"
    HOLD = "hold"
    CANDIDATES = "candidates"
    BUSINESS_INFORMATION = "business_information"
    COMPARISON = "comparison"
    INQUIRY_FILE = "inquiry_file"
    CODE_REPORT = "code_report"
    CODE_ORDER = "code_order"
    RECIPIENTS = "recipients"
    ACCESS_LOG = "access_log"
    ANALYSIS = "analysis"
    NUMBER_LOOK_UP = "number_look_up"
    CHANGE_NOTICES = "change_notices"


def subjects(agency: Agency, entry_id: str, numbers: Collection[int]) -> tuple[list[str], list[Write]]:
    """Whom an entry is about: the commitments that stand in it, and the rows by which `POST /v1/access-log/search` finds it."""
    committed = sorted(agency.keys.access_commitment(number, entry_id) for number in numbers)
    return committed, [Write(_PUT_SUBJECT, (entry_id, agency.keys.access_subject(number))) for number in numbers]


def look_up_commit(
    sight: Sight,
    look: Look,
    persons: Collection[int],
    *,
    keys: Sequence[str] = (),
    system_wide_count: int | None = None,
) -> Commit:
    """The commit that puts a look on record. `persons`: integrated numbers; `keys`: names of the keys searched by, never their values.

    `system_wide_count`: of a report that counts people and shows none.
    """
    facts = {"system": sight.system, "staff": sight.staff, "affair": sight.affair.code, "look": look.value}
    return _seen(
        sight.agency,
        sight.client_id,
        {**facts, "keys": sorted(keys)},
        persons,
        reason=sight.reason,
        system_wide_count=system_wide_count,
    )


def file_again_commit(agency: Agency, system: str, user: str, sha256: bytes, persons: Collection[int]) -> Commit:
    """The result of an inquiry file is handed out again to the system whose file it is. `user`: as its lines name who asks; empty: the system."""
    facts = {
        "system": system,
        "staff": user,
        "affair": "",
        "look": Look.INQUIRY_FILE.value,
        "keys": [],
        "file": sha256.hex(),
    }
    return _seen(agency, system, facts, persons)


def _seen(
    agency: Agency,
    actor: str,
    facts: Mapping[str, Any],
    persons: Collection[int],
    *,
    reason: LookReason | None = None,
    system_wide_count: int | None = None,
) -> Commit:
    now = agency.clock()
    numbers = sorted(set(persons))
    entries: list[NewEntry] = []
    follow: list[Write] = []
    for start in range(0, max(len(numbers), 1), MOST_PERSONS):
        part = numbers[start : start + MOST_PERSONS]
        entry_id = new_entry_id(now)
        committed, found_by = subjects(agency, entry_id, part)
        entry = other_entry(
            id=entry_id,
            at=now,
            kind=EntryKind.PERSONS_SEEN,
            actor=actor,
            facts={
                **facts,
                "count": len(part) if system_wide_count is None else system_wide_count,
                "subjects": committed,
            },
        )
        # reveal: sealed beside the entry
        sealed = agency.keys.seal_access_reason(reason.reveal(), entry_id) if reason is not None else None
        entries.append(
            NewEntry(
                entry_id=entry_id,
                at=now,
                kind=EntryKind.PERSONS_SEEN,
                inquiry_number=None,
                body=encode_entry(entry),
                personal=sealed,
            )
        )
        follow += found_by
    return Commit(step=SEEN_STEP, follow=tuple(follow), entries=tuple(entries))


async def record_look_up(
    sight: Sight,
    look: Look,
    persons: Collection[int],
    *,
    keys: Sequence[str] = (),
    system_wide_count: int | None = None,
) -> str:
    """Put a look on record, before its answer leaves; returns the id of its first entry. Raises StorageUnavailableError: then nothing may leave."""
    commit = look_up_commit(sight, look, persons, keys=keys, system_wide_count=system_wide_count)
    await sight.agency.committer.apply(commit)
    return commit.entries[0].entry_id
