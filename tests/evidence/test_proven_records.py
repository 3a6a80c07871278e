"""Single records with their proofs (IS-5, SC-27): what a file proves, and each way in which one can lie, by name."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence.checkpoint import format_vkey, sign
from evidence.entry import commit_subject
from evidence.findings import FindingName
from evidence.merkle import Frontier, Range, inclusion_proof, inclusion_ranges, leaf_hash
from evidence.proven_records import ProvenRecord, RecordsHeader, origins, sign_view, verify_records, write_records
from evidence.trusted import TrustedKeys
from keys import labels
from keys.binding import bind
from keys.masked import Secret
from keys.signing import Signer
from keys.windows import KeyWindow, PublicKeys

ORIGIN = "sekisho.example/midori/intermediate/2026"
SIGNER = Signer(Secret(bytes(range(32))))
TRUSTED = {ORIGIN: format_vkey(ORIGIN, SIGNER.public_key)}
NUMBER, SALT = "100000000000001", bytes(range(32))
SUBJECT = commit_subject(SALT, NUMBER)
BODIES = [json.dumps({"id": f"E{nth}", "subject": SUBJECT}, separators=(",", ":")).encode() for nth in range(7)]
LEAVES = [leaf_hash(body) for body in BODIES]
NOTE = sign(ORIGIN, len(LEAVES), Frontier().extend(LEAVES).frontier.root(), SIGNER)
HEADER = RecordsHeader(about_one=True, agency="midori", made_at="2026-11-24T00:00:00.000Z", origin=ORIGIN)
VIEW = json.dumps({"id": "E3", "outcome": "given", "subject": SUBJECT}, separators=(",", ":"))


def path(index: int) -> tuple[str, ...]:
    stored = {one: LEAVES[one.start : one.stop] for one in inclusion_ranges(index, len(LEAVES)) if one.level == 0}
    assert all(isinstance(one, Range) for one in stored)
    return tuple(step.hex() for step in inclusion_proof(index, len(LEAVES), stored))


def whole(index: int) -> ProvenRecord:
    return ProvenRecord(index=index, origin=ORIGIN, proof=path(index), entry=BODIES[index].decode(), salt=SALT.hex())


def view(index: int = 3, said: str = VIEW) -> ProvenRecord:
    signature = sign_view(SIGNER, HEADER.made_at, ORIGIN, index, LEAVES[index], said.encode())
    return ProvenRecord(
        index=index, origin=ORIGIN, proof=path(index), view=said, leaf=LEAVES[index].hex(), signature=signature, salt=SALT.hex()
    )  # fmt: skip


def lines(*records: ProvenRecord, note: str = NOTE) -> list[bytes]:
    return list(write_records(HEADER, [(record, note) for record in records], SIGNER))


def names(
    given_lines: list[bytes], number: str | None = None, trusted: Mapping[str, TrustedKeys] = TRUSTED
) -> set[FindingName]:
    return {one.name for one in verify_records("file", given_lines, trusted, number=number).findings}


def test_whole_records_and_views_of_one_person_are_clean():
    checked = verify_records("file", lines(*map(whole, range(3)), view()), TRUSTED, number=NUMBER)
    assert checked.clean
    assert (checked.records, checked.views, checked.opened, checked.agency) == (4, 1, 4, "midori")
    assert (checked.made_at, checked.made_at_signed) == (HEADER.made_at, True)
    assert origins(lines(whole(0))) == {ORIGIN}


LIES = {
    "another entry": (lambda: msgspec.structs.replace(whole(2), entry=BODIES[1].decode()), FindingName.NOT_INCLUDED),
    "another place": (lambda: msgspec.structs.replace(whole(2), index=1), FindingName.NOT_INCLUDED),
    "a place outside": (lambda: msgspec.structs.replace(whole(2), index=7), FindingName.NOT_INCLUDED),
    "another path": (lambda: msgspec.structs.replace(whole(2), proof=path(1)), FindingName.NOT_INCLUDED),
    "no path": (lambda: msgspec.structs.replace(whole(2), proof=()), FindingName.NOT_INCLUDED),
    "a path that does not end": (lambda: msgspec.structs.replace(whole(2), proof=("00" * 32,) * 65), FindingName.MALFORMED),
    "another log": (lambda: msgspec.structs.replace(whole(2), origin=ORIGIN[:-1] + "5"), FindingName.NOT_INCLUDED),
    "a view that says more": (lambda: msgspec.structs.replace(view(), view=VIEW.replace("given", "asked")), FindingName.BAD_SIGNATURE),
    "a view of another entry": (
        lambda: msgspec.structs.replace(view(), index=2, leaf=LEAVES[2].hex(), proof=path(2)), FindingName.BAD_SIGNATURE,
    ),
    "a view without its signature": (lambda: msgspec.structs.replace(view(), signature=None), FindingName.BAD_SIGNATURE),
    "a view and an entry": (lambda: msgspec.structs.replace(view(), entry=BODIES[3].decode()), FindingName.MALFORMED),
    "neither": (lambda: msgspec.structs.replace(view(), view=None), FindingName.MALFORMED),
    "a leaf in capitals": (lambda: msgspec.structs.replace(view(), leaf=LEAVES[3].hex().upper()), FindingName.MALFORMED),
    "no salt": (lambda: msgspec.structs.replace(view(), salt=None), FindingName.ANOTHER_PERSON),
    "another salt": (lambda: msgspec.structs.replace(whole(2), salt=bytes(32).hex()), FindingName.ANOTHER_PERSON),
}  # fmt: skip


@pytest.mark.parametrize("lie", LIES)
def test_a_record_that_lies_is_named(lie):
    record, name = LIES[lie]
    assert names(lines(record()), NUMBER) == {name}


def test_a_person_is_told_from_another():
    assert names(lines(whole(1)), "100000000000002") == {FindingName.ANOTHER_PERSON}


def test_a_record_is_shown_once():
    assert names(lines(whole(1), whole(1))) == {FindingName.REPEATED_ENTRY}


def test_a_checkpoint_must_be_the_logs_own():
    other = Signer(Secret(bytes(32)))
    forged = sign(ORIGIN, len(LEAVES), Frontier().extend(LEAVES).frontier.root(), other)
    assert names(lines(whole(1), note=forged)) == {FindingName.BAD_SIGNATURE, FindingName.NOT_INCLUDED}
    assert names(lines(whole(1)), trusted={}) == {FindingName.UNKNOWN_LOG, FindingName.NOT_INCLUDED}


@pytest.mark.parametrize("agency", ["wakaba", "mido", "intermediate", ""])
def test_records_are_of_no_other_agency_than_the_file_says(agency):
    header = msgspec.structs.replace(HEADER, agency=agency)
    assert names(list(write_records(header, [(whole(1), NOTE), (view(), NOTE)], SIGNER))) == {FindingName.FILE_ALTERED}


MADE = datetime.fromisoformat("2026-06-01T00:00:00Z")
LATER = Signer(Secret(bytes(range(1, 33))))
WINDOWS = PublicKeys(
    (KeyWindow(key=SIGNER.public_key, valid_to=MADE), KeyWindow(key=LATER.public_key, valid_from=MADE))
)


def alone(at: str, signer: Signer, *, as_view: bool, file_at: str) -> list[bytes]:
    """A tree of one record of this time, whole or as a view, and its checkpoint, by whoever has the key."""
    body = json.dumps({"at": at, "id": "E0"}, separators=(",", ":")).encode()
    leaf = leaf_hash(body)
    note = sign(ORIGIN, 1, Frontier().extend([leaf]).frontier.root(), signer)
    whole = ProvenRecord(index=0, origin=ORIGIN, proof=(), entry=body.decode())
    signature = sign_view(signer, file_at, ORIGIN, 0, leaf, body)
    viewed = ProvenRecord(
        index=0, origin=ORIGIN, proof=(), view=body.decode(), leaf=leaf.hex(), signature=signature
    )  # fmt: skip
    header = msgspec.structs.replace(HEADER, made_at=file_at)
    return list(write_records(header, [(viewed if as_view else whole, note)], signer))


@pytest.mark.parametrize("file_at", ["2026-11-25T00:00:00.000Z", "2026-05-01T00:00:00.000Z"])
@pytest.mark.parametrize("as_view", [False, True])
def test_is_8_a_key_that_has_ended_vouches_for_no_record_that_was_made_later(as_view, file_at):
    forged = alone("2026-11-24T00:00:00.000Z", SIGNER, as_view=as_view, file_at=file_at)
    assert names(forged, trusted={ORIGIN: WINDOWS}) == {FindingName.BAD_SIGNATURE}


def test_is_8_a_record_that_says_no_time_is_proven_by_no_key_that_has_ended():
    assert names(lines(whole(0)), trusted={ORIGIN: WINDOWS}) == {FindingName.BAD_SIGNATURE}


@pytest.mark.parametrize(
    ("at", "signer", "file_at"),
    [
        ("2026-05-01T00:00:00.000Z", SIGNER, "2026-05-02T00:00:00.000Z"),
        ("2026-05-01T00:00:00.000Z", LATER, "2026-11-25T00:00:00.000Z"),
        ("2026-11-24T00:00:00.000Z", LATER, "2026-11-25T00:00:00.000Z"),
    ],
)
@pytest.mark.parametrize("as_view", [False, True])
def test_records_from_before_and_after_a_rotation_are_proven_by_the_key_of_when_they_were_shown(
    as_view, at, signer, file_at
):
    assert names(alone(at, signer, as_view=as_view, file_at=file_at), trusted={ORIGIN: WINDOWS}) == set()


def test_a_line_that_is_missing_or_comes_twice_is_named():
    good = lines(whole(0), whole(1))
    for at in range(len(good) - 1):
        assert names([*good[:at], *good[at + 1 :]])
    assert names(good[:-1]) == {FindingName.MALFORMED}
    assert names([*good, good[-1]]) == {FindingName.MALFORMED}
    assert names([]) == {FindingName.MALFORMED}
    assert names([good[0], *good]) >= {FindingName.MALFORMED, FindingName.FILE_ALTERED}


def closed(altered: list[bytes], signature: str | None) -> list[bytes]:
    """What somebody has altered, with an end line that fits; without the log's key they have the signature of before, or none."""
    end = {"lines": len(altered), "sha256": sha256(b"".join(altered)).hexdigest()}
    told = end if signature is None else end | {"signature": signature}
    return [*altered, json.dumps({"end": told}, separators=(",", ":")).encode() + b"\n"]


def of_before(line: bytes) -> bytes:
    """A header as one of the format of before, which nothing vouches for."""
    said = json.loads(line) | {"sekisho_records": 1}
    return (
        json.dumps({name: told for name, told in said.items() if name != "origin"}, separators=(",", ":")).encode()
        + b"\n"
    )


@pytest.mark.parametrize("records", [[], [whole(0)], [whole(0), view()]])
def test_when_a_file_was_made_is_proven(records):
    good = lines(*records)
    signature = json.loads(good[-1])["end"]["signature"]
    assert names(closed(good[:-1], signature)) == set()
    later = [good[0].replace(b"2026-11-24", b"2026-11-25"), *good[1:-1]]
    assert names(closed(later, signature)) == {FindingName.BAD_SIGNATURE}
    assert names(closed(later, None)) == {FindingName.BAD_SIGNATURE}
    assert names(closed(good[:-1], None)) == {FindingName.BAD_SIGNATURE}
    assert names(closed(good[:1], signature), NUMBER) == ({FindingName.BAD_SIGNATURE} if records else set())


def test_a_view_does_not_go_into_a_file_of_another_time_or_of_the_format_of_before():
    good = lines(view())
    header = msgspec.structs.replace(HEADER, made_at="2026-11-25T00:00:00.000Z")
    assert names(list(write_records(header, [(view(), NOTE)], SIGNER))) == {FindingName.BAD_SIGNATURE}
    assert names(closed([of_before(good[0]), *good[1:-1]], None)) == {FindingName.BAD_SIGNATURE}


def test_a_file_of_the_format_of_before_is_checked_and_told_from_one_whose_time_is_proven():
    message = bind(ORIGIN, 3, LEAVES[3], VIEW.encode())
    signed = msgspec.structs.replace(view(), signature=SIGNER.sign(labels.RECORD_VIEW_WITHOUT_TIME, message).hex())
    good = lines(whole(0), signed)
    old = closed([of_before(good[0]), *good[1:-1]], None)
    checked = verify_records("file", old, TRUSTED, number=NUMBER)
    assert (checked.findings, checked.records, checked.made_at, checked.made_at_signed) == (
        (),
        2,
        HEADER.made_at,
        False,
    )
    assert names([old[0].replace(b"2026", b"2025"), *old[1:]]) == {FindingName.FILE_ALTERED}
    assert names(good) == {FindingName.BAD_SIGNATURE}


def test_a_file_needs_the_log_that_signs_it():
    header = msgspec.structs.replace(HEADER, origin=ORIGIN[:-1] + "7")
    later = list(write_records(header, [(whole(0), NOTE)], SIGNER))
    assert origins(later) == {ORIGIN, ORIGIN[:-1] + "7"}
    assert names(later) == {FindingName.UNKNOWN_LOG}
    assert names(list(write_records(msgspec.structs.replace(HEADER, origin=msgspec.UNSET), [], SIGNER))) == {
        FindingName.MALFORMED
    }


def test_who_lives_on_is_believed_of_a_view_alone():
    """A number that was merged: the log says in the view who lives on, and opens it by the record's own salt (docs/adr/0115)."""
    other = "100000000000002"
    merged = json.dumps(json.loads(VIEW) | {"lives_on": commit_subject(SALT, other)}, separators=(",", ":"))
    assert names(lines(view(said=merged)), other) == set()
    assert names(lines(view(said=merged)), NUMBER) == set()
    assert names(lines(view(said=merged)), "100000000000003") == {FindingName.ANOTHER_PERSON}


@given(st.integers(0, 10_000), st.integers(0, 7))
def test_no_flipped_bit_goes_unseen(place, bit):
    data = bytearray(b"".join(lines(whole(0), view())))
    data[place % len(data)] ^= 1 << bit
    assert names(bytes(data).splitlines(keepends=True))


@given(st.lists(st.binary(max_size=60).map(lambda data: data + b"}\n"), max_size=5))
def test_anything_at_all_is_read_without_an_error(data):
    assert names(data)
    assert isinstance(origins(data), set)
    assert verify_records("x", data, {}).records == 0
