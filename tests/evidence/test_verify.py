from __future__ import annotations

import json
import tracemalloc
from datetime import timedelta
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evidence.canonical import encode
from evidence.checkpoint import sign
from evidence.entry import EntryKind, encode_entry
from evidence.export import LARGEST_LINE, LogParty, StoredEntry
from evidence.findings import FindingName as Name
from evidence.merkle import leaf_hash
from evidence.verify import Export, verify
from tests.evidence.exchanges import START, Log, several, step


def log_of(count: int, *, every: int = 1) -> Log:
    log = Log("asahi", LogParty.INTERMEDIATE)
    for number in range(count):
        log.append(step(EntryKind.INQUIRY_REGISTERED, number, 0), checkpoint=(number + 1) % every == 0)
    if count % every:
        log.checkpoint()
    return log


def names(report) -> set[Name]:
    return {finding.name for finding in report.findings}


def only(report, name):
    found = [finding for finding in report.findings if finding.name is name]
    assert len(found) == 1, report.findings
    return found[0]


def resealed(lines: list[bytes]) -> Export:
    """What an attacker makes who knows that the last line is a digest."""
    body = b"".join(lines[:-1])
    end = {"end": {"lines": len(lines) - 1, "sha256": sha256(body).hexdigest()}}
    return Export("asahi", [*lines[:-1], encode(end) + b"\n"])


def entry_line(lines: list[bytes], index: int) -> int:
    return next(
        i for i, line in enumerate(lines) if line.startswith(b'{"entry"') and json.loads(line)["index"] == index
    )


def altered(entry: StoredEntry, *, leaf: bool) -> StoredEntry:
    body = entry.body.replace(b'"v":1', b'"v":3')
    return StoredEntry(index=entry.index, leaf=leaf_hash(body) if leaf else entry.leaf, body=body)


def changed(log: Log, index: int, *, leaf: bool) -> Export:
    entries = log.entries()
    entries[index] = altered(entries[index], leaf=leaf)
    return log.export(entries=entries)


def test_clean_logs_give_no_findings_and_say_what_was_checked():
    report = verify(several().exports())
    assert report.findings == ()
    core = next(log for log in report.logs if log.party == "core")
    assert (core.entries, core.checkpoints, core.roots, core.peer_checkpoints) == (11, 11, 11, 2)
    assert (report.peers_checked, report.peers_unchecked) == (4, 0)
    assert not core.anchored


def test_keys_of_the_register_anchor_the_report():
    three = several()
    trusted = {log.origin: log.vkey for log in (three.inquirer, three.core, three.provider)}
    report = verify(three.exports(), trusted)
    assert report.clean
    assert all(log.anchored for log in report.logs)


def test_an_empty_log_is_clean():
    assert verify([log_of(0).export()]).clean


def test_a_checkpoint_of_the_empty_log_is_checked():
    log = Log("asahi", LogParty.INTERMEDIATE)
    log.checkpoint()
    log.append(step(EntryKind.INQUIRY_REGISTERED, 1, 0))
    report = verify([log.export()])
    assert report.clean
    assert report.logs[0].roots == 2


def test_a_flipped_bit_is_named_at_its_entry():
    report = verify([changed(log_of(9, every=3), 4, leaf=False)])
    assert names(report) == {Name.BIT_FLIP}
    assert only(report, Name.BIT_FLIP).entry == 4


def test_a_flipped_bit_in_a_leaf_hash_is_named_at_its_entry_and_hides_nothing_else():
    log = log_of(9, every=3)
    entries = log.entries()
    entries[4] = StoredEntry(index=4, leaf=bytes(32), body=entries[4].body)
    report = verify([log.export(entries=entries)])
    assert names(report) == {Name.BIT_FLIP}
    assert only(report, Name.BIT_FLIP).entry == 4


def test_an_entry_altered_with_its_leaf_is_named_between_two_checkpoints():
    report = verify([changed(log_of(9, every=3), 4, leaf=True)])
    assert names(report) == {Name.ROOT_MISMATCH}
    found = only(report, Name.ROOT_MISMATCH)
    assert (found.entry, found.until) == (3, 6)


def test_a_dropped_entry_is_named():
    log = log_of(9)
    entries = log.entries()
    report = verify([log.export(entries=entries[:4] + entries[6:])])
    found = only(report, Name.DROPPED_ENTRY)
    assert (found.entry, found.until) == (4, 6)


def test_a_dropped_entry_with_the_rest_renumbered_does_not_give_the_root():
    log = log_of(9, every=3)
    kept = log.entries()[:4] + log.entries()[5:]
    entries = [StoredEntry(index=i, leaf=entry.leaf, body=entry.body) for i, entry in enumerate(kept)]
    report = verify([log.export(entries=entries, size=8)])
    assert names(report) >= {Name.ROOT_MISMATCH, Name.DROPPED_TAIL}
    assert only(report, Name.ROOT_MISMATCH).entry == 3


def test_a_tail_dropped_from_the_export_is_named_by_the_logs_own_checkpoint():
    log = log_of(9)
    report = verify([log.export(entries=log.entries()[:7], size=7)])
    assert {finding.size for finding in report.findings if finding.name is Name.DROPPED_TAIL} == {8, 9}


def test_a_tail_dropped_with_its_checkpoints_is_named_by_what_a_peer_holds():
    three = several()
    log = three.core
    short = log.export(entries=log.entries()[:-2], size=len(log.bodies) - 2, notes=log.notes[:-2])
    report = verify([short, three.inquirer.export(), three.provider.export()])
    assert names(report) == {Name.DROPPED_TAIL}
    assert {finding.held_by for finding in report.findings} == {"asahi", "midori"}
    assert verify([short]).clean


def test_swapped_lines_are_named():
    log = log_of(9)
    entries = log.entries()
    entries[4], entries[5] = entries[5], entries[4]
    report = verify([log.export(entries=entries, notes=log.notes[-1:])])
    assert names(report) == {Name.SWAPPED_ENTRIES}
    assert only(report, Name.SWAPPED_ENTRIES).entry == 4


def test_swapped_and_renumbered_entries_are_named():
    log = log_of(9, every=9)
    order = [0, 1, 6, 3, 4, 5, 2, 7, 8]
    entries = [
        StoredEntry(index=i, leaf=log.entries()[n].leaf, body=log.entries()[n].body) for i, n in enumerate(order)
    ]
    report = verify([log.export(entries=entries)])
    found = only(report, Name.SWAPPED_ENTRIES)
    assert (found.entry, found.until) == (2, 7)


def test_a_repeated_entry_is_named():
    log = log_of(5)
    entries = log.entries()
    report = verify([log.export(entries=[*entries[:3], entries[1], *entries[3:]])])
    assert only(report, Name.REPEATED_ENTRY).entry == 1


def test_two_signed_roots_of_one_size_are_a_fork():
    log = log_of(6)
    log.notes.insert(4, sign(log.origin, 4, bytes(32), log.signer))
    report = verify([log.export()])
    assert names(report) == {Name.FORK}
    assert only(report, Name.FORK).size == 4


def test_a_history_written_anew_is_a_fork_from_what_a_peer_holds():
    three = several()
    old = three.core.notes[-1]
    three.core.bodies[2] = three.core.bodies[2].replace(b'"v":1', b'"v":3')
    size = len(three.core.bodies)
    three.core.notes = [sign(three.core.origin, size, three.core.root(), three.core.signer)]
    assert three.inquirer.peers[0].note == old
    report = verify(three.exports())
    assert names(report) == {Name.FORK}
    assert {finding.held_by for finding in report.findings} == {"asahi", "midori"}


def test_two_peers_shown_different_histories_are_a_fork_without_the_logs_export():
    three = several()
    log = three.core
    three.provider.peers.clear()
    three.provider.hold(log, sign(log.origin, len(log.bodies), bytes(32), log.signer))
    trusted = {log.origin: log.vkey for log in (three.inquirer, three.core, three.provider)}
    report = verify([three.inquirer.export(), three.provider.export()], trusted)
    assert names(report) == {Name.FORK}


def test_an_earlier_export_of_a_log_must_be_the_beginning_of_a_later_one():
    early = log_of(5)
    earlier = early.export()
    assert verify([earlier, log_of(8).export()]).clean
    early.bodies[1] = early.bodies[1].replace(b'"v":1', b'"v":3')
    early.notes = [sign(early.origin, 5, early.root(), early.signer)]
    assert names(verify([log_of(8).export(), early.export()])) == {Name.FORK}


def test_a_signature_that_does_not_fit_is_named():
    log = log_of(5)
    log.notes[2] = sign(log.origin, 3, log.root(3), Log("midori", LogParty.CORE).signer)
    assert names(verify([log.export()])) == {Name.BAD_SIGNATURE}


def test_a_held_checkpoint_with_a_bad_signature_is_named():
    three = several()
    three.inquirer.peers[0] = three.inquirer.peers[0].__class__(
        held_since="2026-11-24T06:00:00.000Z",
        note=sign(three.core.origin, 3, three.core.root(3), three.provider.signer),
        origin=three.core.origin,
    )
    report = verify(three.exports())
    assert names(report) == {Name.BAD_SIGNATURE}
    assert only(report, Name.BAD_SIGNATURE).export == "asahi"


def test_a_log_signed_with_a_key_that_the_register_does_not_know_is_named():
    log = log_of(3)
    other = Log("midori", LogParty.CORE)
    report = verify([log.export()], {log.origin: log.vkey.replace(*vkey_of(log, other))})
    assert names(report) >= {Name.WRONG_KEY, Name.BAD_SIGNATURE}
    assert names(verify([log.export()], {other.origin: other.vkey})) == {Name.UNKNOWN_LOG}


def vkey_of(log: Log, other: Log) -> tuple[str, str]:
    from evidence.checkpoint import format_vkey

    return log.vkey, format_vkey(log.origin, other.signer.public_key)


def test_a_trusted_key_of_another_origin_is_refused():
    log = log_of(1)
    with pytest.raises(ValueError, match="origin"):
        verify([log.export()], {"sekisho.test/else": log.vkey})


def test_entries_that_nothing_signs_are_named():
    log = log_of(5)
    log.append(step(EntryKind.INQUIRY_REGISTERED, 6, 0), checkpoint=False)
    report = verify([log.export()])
    assert names(report) == {Name.UNSIGNED_TAIL}
    assert only(report, Name.UNSIGNED_TAIL).entry == 5


def test_an_entry_much_older_than_one_before_it_is_named():
    log = log_of(3)
    log.append(step(EntryKind.INQUIRY_REGISTERED, 9, 0, at=START - timedelta(seconds=60)))
    report = verify([log.export()])
    assert names(report) == {Name.TIME_ORDER}
    assert only(report, Name.TIME_ORDER).entry == 3
    assert verify([log.export()], slack=timedelta(seconds=80)).clean


@pytest.mark.parametrize(
    "body", [b"[]", b"{}", b'{"at":"yesterday","id":"1","kind":"x","v":1}', b'{"at":"2026-13-99T05:06:07.000Z"']
)
def test_a_signed_entry_that_is_no_entry_is_named(body):
    log = log_of(2)
    log.bodies.append(body)
    log.checkpoint()
    assert names(verify([log.export()])) == {Name.MALFORMED}


def test_a_signed_time_that_is_no_time_does_not_stop_the_verifier():
    log = log_of(1)
    for at in ("9999-99-99T99:99:99.999Z", "2026-99-99T99:99:99.999Z"):
        log.append(step(EntryKind.INQUIRY_REGISTERED, 2, 0) | {"at": at})
    log.append(step(EntryKind.INQUIRY_REGISTERED, 2, 0) | {"at": "2027-02-31T00:00:00.000Z"})
    log.append(step(EntryKind.INQUIRY_REGISTERED, 2, 0))
    assert names(verify([log.export()])) == {Name.MALFORMED}


@pytest.mark.parametrize(
    "line",
    [
        b"\n",
        b"{}\n",
        b"[" * 100_000 + b"\n",
        b'{"entry":"\xff","index":1,"leaf":""}\n',
        b"x" * (LARGEST_LINE + 1) + b"\n",
    ],
)
def test_a_line_that_is_no_line_is_named_at_its_number(line):
    lines = log_of(3).lines()
    report = verify([resealed([*lines[:3], line, *lines[3:]])])
    assert names(report) == {Name.MALFORMED}
    assert only(report, Name.MALFORMED).line == 4


def test_lines_after_the_end_are_named():
    lines = log_of(3).lines()
    assert Name.MALFORMED in names(verify([Export("asahi", [*lines, lines[1]])]))


def test_an_export_cut_off_is_named():
    lines = log_of(6).lines()
    assert names(verify([Export("asahi", lines[:-4])])) >= {Name.MALFORMED, Name.DROPPED_TAIL}


def test_lines_in_the_wrong_place_are_named():
    lines = log_of(3).lines()
    peer = several().core.lines()[1]
    assert names(verify([resealed([*lines[:3], peer, *lines[3:]])])) == {Name.MALFORMED}
    assert names(verify([resealed([*lines[:3], lines[0], *lines[3:]])])) == {Name.MALFORMED}
    checkpoint = lines.pop(2)
    assert names(verify([resealed([*lines[:3], checkpoint, *lines[3:]])])) == {Name.MALFORMED}


@pytest.mark.parametrize(
    "lines", [[], [b""], [b"hello\n"], [b'{"agency":1}\n'], [b'{"end":{"lines":0,"sha256":""}}\n']]
)
def test_what_is_no_export_is_named(lines):
    report = verify([Export("x", lines)])
    assert names(report) == {Name.MALFORMED}
    assert report.logs == ()


def test_a_header_altered_after_the_export_is_named():
    lines = log_of(3).lines()
    lines[0] = lines[0].replace(b'"asahi"', b'"midori"')
    assert names(verify([Export("asahi", lines)])) == {Name.FILE_ALTERED}


def test_a_header_that_counts_too_few_is_named():
    assert names(verify([log_of(3).export(size=2)])) == {Name.MALFORMED}


SEVERAL = b"".join(several().core.lines())


@settings(max_examples=400, deadline=None)
@given(st.integers(0, len(SEVERAL) * 8 - 1))
def test_any_single_flipped_bit_makes_verification_fail(place):
    data = bytearray(SEVERAL)
    data[place // 8] ^= 1 << place % 8
    assert not verify([Export("core", bytes(data).splitlines(keepends=True))]).clean


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_any_single_change_to_an_entry_and_its_leaf_makes_verification_fail(data):
    log = log_of(20, every=data.draw(st.integers(1, 20)))
    index = data.draw(st.integers(0, 19))
    report = verify([changed(log, index, leaf=True)])
    found = only(report, Name.ROOT_MISMATCH)
    assert found.entry <= index < found.until


class Endless:
    """Lines made as they are read, so that only the reader can hold them."""

    def __init__(self, log: Log, count: int) -> None:
        self.log, self.count = log, count

    def __iter__(self):
        body = encode_entry(step(EntryKind.INQUIRY_REGISTERED, 1, 0))
        leaf = leaf_hash(body)
        header, *_ = self.log.lines(size=self.count)
        yield header
        for index in range(self.count):
            yield encode({"entry": body.decode(), "index": index, "leaf": leaf.hex()}) + b"\n"


def test_memory_does_not_grow_with_the_log(monkeypatch):
    monkeypatch.setattr("evidence.log_check.WINDOW", 256)
    peaks = []
    for count in (1_000, 8_000):
        tracemalloc.start()
        report = verify([Export("x", Endless(log_of(0), count))])
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert report.logs[0].entries == count
    assert peaks[1] < peaks[0] * 1.5
