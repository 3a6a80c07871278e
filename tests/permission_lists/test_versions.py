"""Versions of the signed list: what is taken, what is refused whole, which one counts; and the core's own reading agrees."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.jlis_mock.core import list_versions as core
from keys import labels
from keys.masked import Secret
from keys.publisher import PublisherKey, PublisherKeys
from keys.signing import Signer
from permission_lists import versions
from permission_lists.model import ListBroken
from permission_lists.versions import (
    Head,
    SignedVersion,
    VersionRefusal,
    check,
    in_force,
    make,
    of_permit,
    read_head,
    unchanged_by,
)
from tests.permission_lists.test_model import SMALL

PUBLISHER = Signer(Secret(b"\x01" * 32))
ANOTHER = Signer(Secret(b"\x02" * 32))
KEYS = PublisherKeys.of(PUBLISHER.public_key)


def document(affair: str) -> dict[str, Any]:
    return {**SMALL, "rows": [{**SMALL["rows"][0], "affair": affair}]}


def head_of(signed: SignedVersion) -> Head:
    head = read_head(signed.head)
    assert head is not None
    return head


def version(
    number: int, valid_from: date, before: SignedVersion | None, affair: str = "", signer: Signer = PUBLISHER
) -> SignedVersion:
    supersedes = None if before is None else head_of(before).content_digest
    return make(
        [document(affair or f"事務{number}")],
        number=number,
        valid_from=valid_from,
        supersedes=supersedes,
        signer=signer,
    )


FIRST = version(1, date(2022, 6, 17), None)
SECOND = version(2, date(2024, 5, 27), FIRST)
THIRD = version(3, date(2025, 4, 1), SECOND)
HEADS = tuple(map(head_of, (FIRST, SECOND, THIRD)))


def signed_again(head: dict[str, Any], content: bytes, *, canonical: bool = True) -> SignedVersion:
    """A head that the publisher really signed, whatever it says."""
    data = json.dumps(head, sort_keys=canonical, separators=(",", ":")).encode()
    return SignedVersion(head=data, signature=PUBLISHER.sign(labels.LIST, data), content=content)


def changed(signed: SignedVersion, **changes: Any) -> SignedVersion:
    return signed_again(json.loads(signed.head) | changes, signed.content)


def by_the_core(received: SignedVersion, held: Sequence[SignedVersion], keys: PublisherKeys = KEYS) -> str | None:
    """The core's verdict in the words of ours: a reason, or None when it is taken or held already."""
    known: list[core.Version] = []
    for one in held:
        found = core.accept(as_wire(one), known, keys)
        assert isinstance(found, core.Version)
        known.append(found)
    answer = core.accept(as_wire(received), known, keys)
    return answer if isinstance(answer, str) else None


def as_wire(signed: SignedVersion) -> core.Signed:
    return core.Signed(head=signed.head, signature=signed.signature, content=signed.content)


def verdict(received: SignedVersion, held: Sequence[SignedVersion], keys: PublisherKeys = KEYS) -> str | None:
    """Ours; asserts that the core's is the same."""
    found = check(received, [head_of(one) for one in held], keys)
    ours = found.value if isinstance(found, VersionRefusal) else None
    assert by_the_core(received, held, keys) == ours
    return ours


def test_versions_are_taken_one_on_top_of_the_other() -> None:
    assert [verdict(FIRST, []), verdict(SECOND, [FIRST]), verdict(THIRD, [FIRST, SECOND])] == [None] * 3
    assert check(THIRD, HEADS[:2], KEYS) == HEADS[2]


def test_a_version_that_is_held_already_is_nothing_new() -> None:
    assert check(FIRST, HEADS[:2], KEYS) is None
    assert verdict(FIRST, [FIRST, SECOND]) is None


@pytest.mark.parametrize(
    ("received", "held", "reason"),
    [
        (replace(SECOND, signature=bytes(64)), [FIRST], VersionRefusal.SIGNATURE),
        (replace(SECOND, signature=b""), [FIRST], VersionRefusal.SIGNATURE),
        (replace(SECOND, signature=FIRST.signature), [FIRST], VersionRefusal.SIGNATURE),
        (version(2, date(2024, 5, 27), FIRST, signer=ANOTHER), [FIRST], VersionRefusal.SIGNATURE),
        (replace(SECOND, signature=PUBLISHER.sign(labels.REGISTER, SECOND.head)), [FIRST], VersionRefusal.SIGNATURE),
        (replace(SECOND, signature=PUBLISHER.sign_raw(SECOND.head)), [FIRST], VersionRefusal.SIGNATURE),
        (changed(SECOND, number=0), [FIRST], VersionRefusal.HEAD_MALFORMED),
        (changed(SECOND, number=2.0), [FIRST], VersionRefusal.HEAD_MALFORMED),
        (changed(SECOND, number=True), [], VersionRefusal.HEAD_MALFORMED),
        (changed(SECOND, v=2), [FIRST], VersionRefusal.HEAD_MALFORMED),
        (changed(SECOND, more=1), [FIRST], VersionRefusal.HEAD_MALFORMED),
        (changed(SECOND, valid_from="2024-02-30"), [FIRST], VersionRefusal.HEAD_MALFORMED),
        (changed(SECOND, valid_from="20240527"), [FIRST], VersionRefusal.HEAD_MALFORMED),
        (changed(SECOND, content_digest="A" * 64), [FIRST], VersionRefusal.HEAD_MALFORMED),
        (changed(SECOND, supersedes=None), [FIRST], VersionRefusal.HEAD_MALFORMED),
        (changed(FIRST, supersedes="ab" * 32), [], VersionRefusal.HEAD_MALFORMED),
        (signed_again(dict(reversed(json.loads(SECOND.head).items())), b"", canonical=False), [FIRST], VersionRefusal.HEAD_MALFORMED),
        (version(1, date(2022, 6, 18), None, "別の版"), [FIRST, SECOND], VersionRefusal.BACKWARDS),
        (version(2, date(2024, 5, 27), FIRST, "別の版"), [FIRST, SECOND], VersionRefusal.FORKED),
        (changed(SECOND, valid_from="2024-05-28"), [FIRST, SECOND], VersionRefusal.FORKED),
        (SECOND, [], VersionRefusal.GAP),
        (THIRD, [FIRST], VersionRefusal.GAP),
        (changed(SECOND, supersedes="ab" * 32), [FIRST], VersionRefusal.GAP),
        (replace(SECOND, content=FIRST.content), [FIRST], VersionRefusal.DIGEST_DIFFERS),
        (replace(SECOND, content=SECOND.content[:-1]), [FIRST], VersionRefusal.DIGEST_DIFFERS),
        (replace(SECOND, content=SECOND.content + b"x"), [FIRST], VersionRefusal.DIGEST_DIFFERS),
        (replace(SECOND, content=b""), [FIRST], VersionRefusal.DIGEST_DIFFERS),
        (replace(SECOND, content=zlib.compress(bytes(versions.LARGEST_CONTENT + 1))), [FIRST], VersionRefusal.DIGEST_DIFFERS),
    ],
)  # fmt: skip
def test_what_does_not_follow_or_is_not_signed_is_refused_whole(
    received: SignedVersion, held: list[SignedVersion], reason: VersionRefusal
) -> None:
    assert verdict(received, held) == reason


@pytest.mark.parametrize("text", ["[{}]", "{}", "1", "[[]]", "[" * 5_000, '[{"basis": {"id": "a"}}]', "[null]"])
def test_content_that_is_no_list_is_refused_though_it_is_signed(text: str) -> None:
    content = zlib.compress(text.encode())
    received = changed(replace(SECOND, content=content), content_digest=hashlib.sha256(text.encode()).hexdigest())

    assert verdict(received, [FIRST]) == VersionRefusal.UNREADABLE


BASIS, ROW = SMALL["basis"], SMALL["rows"][0]


@pytest.mark.parametrize(
    "documents",
    [
        [SMALL, SMALL],
        [SMALL, {**SMALL, "basis": {**BASIS, "id": "b"}}],
        [{**SMALL, "rows": [ROW, ROW]}],
        [{**SMALL, "rows": [{**ROW, "inquirer": "だれか"}]}],
        [{**SMALL, "rows": [{**ROW, "in_force": {"from": "2022-03-01", "to": "2022-02-01"}}]}],
        [{**SMALL, "basis": {**BASIS, "kind": "rumour"}}],
        [{**SMALL, "basis": {**BASIS, "in_force": {"from": "2022-03-01", "to": "2022-02-01"}}}],
    ],
)
def test_a_list_that_could_be_decided_two_ways_is_taken_by_nobody(documents: list[Any]) -> None:
    """Else core and servers would stand on different versions from the next midnight on."""
    text = json.dumps(documents).encode()
    received = changed(replace(SECOND, content=zlib.compress(text)), content_digest=hashlib.sha256(text).hexdigest())

    assert verdict(received, [FIRST]) == VersionRefusal.UNREADABLE


@settings(max_examples=300)
@given(st.sampled_from(["head", "signature", "content"]), st.integers(0, 10_000), st.integers(1, 255))
def test_no_flipped_byte_makes_another_version(part: str, place: int, flip: int) -> None:
    data = bytearray(getattr(SECOND, part))
    data[place % len(data)] ^= flip
    received = replace(SECOND, **{part: bytes(data)})

    answer = check(received, [HEADS[0]], KEYS)
    assert isinstance(answer, VersionRefusal) or (part == "content" and answer == HEADS[1])
    assert (by_the_core(received, [FIRST]) is None) == (not isinstance(answer, VersionRefusal))


def test_a_key_that_was_replaced_vouches_for_what_the_register_names_and_for_nothing_else() -> None:
    """However it is dated: a version tells no time, so whoever has the old key could write any."""
    keys = PublisherKeys(
        (
            PublisherKey(key=PUBLISHER.public_key, signed=frozenset({hashlib.sha256(FIRST.head).hexdigest()})),
            PublisherKey(key=ANOTHER.public_key),
        )
    )
    by_the_new_one = version(2, date(2024, 5, 27), FIRST, signer=ANOTHER)

    assert verdict(FIRST, [], keys) is None
    assert verdict(by_the_new_one, [FIRST], keys) is None
    assert verdict(SECOND, [FIRST], keys) == VersionRefusal.RETIRED
    assert verdict(version(1, date(2022, 6, 17), None, "別の版"), [], keys) == VersionRefusal.RETIRED
    assert verdict(replace(SECOND, signature=bytes(64)), [FIRST], keys) == VersionRefusal.SIGNATURE


def test_without_a_publisher_in_the_register_nothing_is_taken() -> None:
    assert check(FIRST, [], PublisherKeys(())) is VersionRefusal.SIGNATURE
    assert core.accept(as_wire(FIRST), [], PublisherKeys(())) == "list_signature"


def test_a_document_with_a_bare_date_is_not_signed() -> None:
    with pytest.raises(ListBroken):
        make(
            [{**SMALL, "since": date(2024, 1, 1)}],
            number=1,
            valid_from=date(2024, 1, 1),
            supersedes=None,
            signer=PUBLISHER,
        )


@pytest.mark.parametrize(
    ("on", "number"),
    [
        (date(2022, 6, 16), None), (date(2022, 6, 17), 1), (date(2024, 5, 26), 1), (date(2024, 5, 27), 2), (date(2025, 3, 31), 2),
        (date(2025, 4, 1), 3),
    ],
)  # fmt: skip
def test_a_version_counts_from_its_first_day(on: date, number: int | None) -> None:
    found = in_force(HEADS, on)

    assert (None if found is None else found.number) == number


@pytest.mark.parametrize(
    ("number", "valid_from", "same"),
    [
        (3, date(2025, 4, 1), 3),
        (3, date(2026, 4, 1), 3),
        (3, date(2025, 3, 31), None),  # it would count a day earlier
        (2, date(2024, 6, 1), None),  # it would take the place of the third
        (2, date(2026, 4, 1), None),  # back to what was before
        (1, date(2022, 6, 16), None),
    ],
)
def test_pl_2_a_version_that_would_change_no_day_is_known_by_the_one_that_counts(
    number: int, valid_from: date, same: int | None
) -> None:
    found = unchanged_by(HEADS, HEADS[number - 1].content_digest, valid_from)
    assert (None if found is None else found.number) == same


@pytest.mark.parametrize("valid_from", ["2025-04-01", "2024-12-01"])
def test_a_newer_version_takes_the_place_of_one_that_was_still_ahead(valid_from: str) -> None:
    correction = changed(THIRD, number=4, supersedes=HEADS[2].content_digest, valid_from=valid_from)

    assert verdict(correction, [FIRST, SECOND, THIRD]) is None
    assert in_force((*HEADS, head_of(correction)), date(2025, 4, 1)) == head_of(correction)
    assert in_force((*HEADS, head_of(correction)), date(2024, 11, 30)) == HEADS[1]


MIDNIGHT = datetime(2024, 5, 26, 15, 0, tzinfo=UTC)
"""2024-05-27 00:00 JST."""
OLD, NEW = HEADS[0].content_digest, HEADS[1].content_digest


@pytest.mark.parametrize(
    ("issued_at", "names", "now", "number"),
    [
        (MIDNIGHT - timedelta(seconds=1), OLD, MIDNIGHT + timedelta(days=3), 1),
        (MIDNIGHT - timedelta(seconds=1), NEW, MIDNIGHT + timedelta(days=3), None),
        (MIDNIGHT, NEW, MIDNIGHT, 2),
        (MIDNIGHT, OLD, MIDNIGHT, None),
        (MIDNIGHT, OLD, MIDNIGHT - timedelta(seconds=2), None),
        (MIDNIGHT - timedelta(seconds=1), OLD, MIDNIGHT + timedelta(days=60), None),
        (MIDNIGHT + timedelta(minutes=6), NEW, MIDNIGHT, None),
        (MIDNIGHT, "ab" * 32, MIDNIGHT, None),
    ],
)
def test_a_permit_is_judged_by_the_list_of_the_time_it_was_issued(
    issued_at: datetime, names: str, now: datetime, number: int | None
) -> None:
    found = of_permit(HEADS, names, issued_at, now)

    assert (None if found is None else found.number) == number
