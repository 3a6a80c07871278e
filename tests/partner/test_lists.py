"""A partner finds the list that counts by itself, and believes no version that the publisher has not signed or that leaves one out."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from keys.windows import PublicKeys
from partner.connection import Connection
from partner.lists import list_in_force, with_offered
from partner.messages import MessageBrokenError, text
from tests.permission_lists.test_versions import ANOTHER, KEYS, head_of, version
from transport.register import NamedList, Register

FIRST = version(1, date(2026, 4, 1), None)
SECOND = version(2, date(2026, 12, 1), FIRST)
MIDNIGHT = datetime(2026, 11, 30, 15, tzinfo=UTC)
"""Of 1 December in Japan."""


def found(*versions, now=MIDNIGHT) -> str:
    wire = [{name: text(getattr(one, name)) for name in ("head", "signature", "content")} for one in versions]
    return list_in_force(wire, KEYS, now).digest


def wire(version) -> dict[str, str]:
    return {name: text(getattr(version, name)) for name in ("head", "signature", "content")}


def test_what_is_offered_is_taken_up_to_the_first_that_is_not_the_publishers_next_one():
    first, second, forged = map(wire, (FIRST, SECOND, version(2, date(2026, 5, 1), FIRST, signer=ANOTHER)))
    assert with_offered([], [first, second], KEYS) == [first, second]
    assert with_offered([first], [second, second], KEYS) == [first, second]
    assert with_offered([first], [forged, second], KEYS) == [first]
    with pytest.raises(MessageBrokenError):
        with_offered([forged], [], KEYS)


def test_the_newest_list_whose_day_has_come_in_japan_counts():
    assert found(FIRST, SECOND) == head_of(SECOND).content_digest
    assert found(FIRST, SECOND, now=MIDNIGHT - timedelta(seconds=1)) == head_of(FIRST).content_digest
    with pytest.raises(MessageBrokenError, match="in force"):
        found(FIRST, now=datetime(2026, 3, 31, 14, tzinfo=UTC))


def test_a_version_that_the_register_names_and_the_file_has_not_is_missed(tmp_path):
    """From its day on; whoever has the register decides by no list before it."""
    file = tmp_path / "lists.json"
    file.write_text(
        json.dumps({"versions": [{name: text(getattr(FIRST, name)) for name in ("head", "signature", "content")}]})
    )
    heads = head_of(FIRST), head_of(SECOND)
    named = [
        NamedList(number=one.number, content_digest=one.content_digest, valid_from=one.valid_from) for one in heads
    ]
    register = Register(agencies={}, peers={}, logs={}, permit_keys=PublicKeys(()), list_keys=KEYS, lists=tuple(named))
    connection = Connection(
        agency="partner", host="", port=0, folder=tmp_path, ca=tmp_path, issued=tmp_path, lists=file, network="",
        resident_network="", register=lambda: register,
    )  # fmt: skip
    assert connection.list_in_force(MIDNIGHT - timedelta(seconds=1)).digest == heads[0].content_digest
    with pytest.raises(MessageBrokenError, match="register"):
        connection.list_in_force(MIDNIGHT)


def test_a_version_that_is_not_the_publishers_next_one_is_not_believed():
    forged = version(1, date(2026, 4, 1), None, signer=ANOTHER)
    other = replace(FIRST, content=SECOND.content)
    for wrong in (
        (forged,),
        (SECOND,),
        (FIRST, FIRST),
        (other,),
        (replace(FIRST, content=b"x"),),
        (replace(FIRST, head=b"{}"),),
    ):
        with pytest.raises(MessageBrokenError):
            found(*wrong)
