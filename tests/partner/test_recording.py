"""A partner's own log: what it says of an inquiry, and that others can verify what is exported of it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from evidence.entry import EntryKind
from evidence.export import EntryLine, read_line
from evidence.verify import Export, verify
from keys.signing import Signer, generate_seed
from keys.windows import PublicKeys
from partner.recording import Record
from tests.partner.test_mailbox import NOW, World

ORIGIN = "sekisho.example/giver/intermediate"
KEY = Signer(generate_seed())


@pytest.fixture
def record(tmp_path):
    return Record(tmp_path / "log", "giver", ORIGIN, KEY)


def test_what_was_provided_is_on_record_once_and_verifies(record, tmp_path):
    world = World()
    provider = world.provider()
    _, _, item = world.asked()
    answer = provider.answer(item, NOW)
    for _ in range(2):
        record.note_provision(item, answer, NOW)
    bent = world.asked()[2] | {"nonce": item["code"]}
    record.note_provision(bent, provider.answer(bent, NOW), NOW)
    record.note_provision(item, {"refused": {"reason": "permit_signature"}}, NOW)
    data = record.export(2026)
    report = verify(
        [Export("giver", data.splitlines(keepends=True))], {f"{ORIGIN}/2026": PublicKeys.of(KEY.public_key)}
    )
    assert report.findings == ()
    assert [(one.origin, one.anchored, one.roots) for one in report.logs] == [(f"{ORIGIN}/2026", True, 1)]
    kinds = [line.entry for line in map(read_line, data.splitlines(keepends=True)) if isinstance(line, EntryLine)]
    assert ["provision.made" in kinds[0], "provision.refused" in kinds[1], len(kinds)] == [True, True, 2]
    assert record.years() == [2026]
    again = Record(tmp_path / "log", "giver", ORIGIN, Signer(generate_seed()))
    assert len(again.export(2026).splitlines()) == len(data.splitlines())


def test_years_have_logs_of_their_own(record):
    for day in (datetime(2026, 3, 31, 14, 59, tzinfo=UTC), datetime(2026, 3, 31, 15, tzinfo=UTC)):
        record.note(
            EntryKind.INQUIRY_REGISTERED,
            day,
            {
                "inquiry_number": "Q1",
                "inquirer": "a",
                "provider": "b",
                "basis": None,
                "item": "1",
                "information": "x",
                "items": [],
            },
        )
    assert record.years() == [2025, 2026]
