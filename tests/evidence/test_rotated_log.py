"""A log whose key was rotated: every checkpoint counts by a key of its time, also long after the old key went out of use."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256

import pytest

from evidence.checkpoint import format_vkey, sign
from evidence.entry import EntryKind, other_entry
from evidence.export import LogParty, StoredEntry
from evidence.findings import FindingName as Name
from evidence.findings import Report
from evidence.verify import verify
from keys.masked import Secret
from keys.signing import Signer
from keys.windows import KeyWindow, PublicKeys
from tests.evidence.exchanges import START, Log, step

NEW = Signer(Secret(b"n" * 32))
ROTATED, OVERLAP = START + timedelta(minutes=5), timedelta(hours=1)


@dataclass
class Rotated(Log):
    """Its export's header names the new key."""

    declared: tuple[bytes, ...] | None = None
    """Earlier keys in the header; None: the old one."""
    said: list[str] | None = None
    """The header's words for them, whatever they are."""

    @property
    def first(self) -> str:
        return format_vkey(self.origin, self.signer.public_key)

    @property
    def vkey(self) -> str:
        return format_vkey(self.origin, NEW.public_key)

    @property
    def earlier_vkeys(self) -> list[str]:
        if self.said is not None:
            return self.said
        earlier = (self.signer.public_key,) if self.declared is None else self.declared
        return [format_vkey(self.origin, key) for key in earlier]

    def signed(self, signer: Signer) -> None:
        self.notes.append(sign(self.origin, len(self.bodies), self.root(), signer))


def keys_of(log: Log) -> dict[str, PublicKeys]:
    old = KeyWindow(key=log.signer.public_key, valid_to=ROTATED + OVERLAP)
    return {log.origin: PublicKeys((old, KeyWindow(key=NEW.public_key, valid_from=ROTATED)))}


def written(*signers: str) -> Rotated:
    """An entry every 10 minutes, each with a checkpoint by the old or the new key."""
    log = Rotated("asahi", LogParty.INTERMEDIATE)
    for number, name in enumerate(signers):
        log.append(step(EntryKind.INQUIRY_REGISTERED, number * 60, 0), checkpoint=False)
        log.signed(NEW if name == "new" else log.signer)
    return log


def test_checkpoints_of_before_and_after_a_rotation_verify():
    log = written("old", "old", "new", "new")
    report = verify([log.export()], keys_of(log))
    assert report.findings == ()
    assert report.logs[0].roots == 4


@pytest.mark.parametrize(
    ("signers", "line"),
    [
        (("new", "old", "new"), "a stolen new key signs no past"),
        (("old", *("new",) * 7, "old", "new"), "an old key signs nothing after its end"),
    ],
    ids=["before its time", "after its end"],
)
def test_a_checkpoint_by_a_key_of_another_time_is_named(signers, line):
    log = written(*signers)
    findings = verify([log.export()], keys_of(log)).findings
    assert {one.name for one in findings} == {Name.BAD_SIGNATURE}, line


# --- without the register: rotations are followed by the log's own records


def announcing(*signers: str, key: Signer = NEW, at: int = 1) -> Rotated:
    """As `written`; before the entry `at` stands the record of a rotation to a key, under a checkpoint of the old one."""
    log = Rotated("asahi", LogParty.INTERMEDIATE)
    for number, name in enumerate(signers):
        now = START + timedelta(minutes=10 * number)
        if number == at:
            facts = {"purpose": "log", "version": 2, "key": sha256(key.public_key).hexdigest()}
            log.append(
                other_entry(id="E-rotated", at=now, kind=EntryKind.KEY_ROTATED, reason=None, actor=None, facts=facts)
            )
        log.append(step(EntryKind.INQUIRY_REGISTERED, number * 60, 0), checkpoint=False)
        log.signed(NEW if name == "new" else log.signer)
    return log


def names(report: Report) -> set[Name]:
    return {one.name for one in report.findings}


@pytest.mark.parametrize("handed_over", [False, True], ids=["self-declared", "the old key handed over"])
def test_a_rotation_that_the_old_key_has_signed_is_followed(handed_over):
    log = announcing("old", "new", "new")
    known = {log.origin: format_vkey(log.origin, log.signer.public_key)} if handed_over else None
    report = verify([log.export()], known)
    assert report.findings == ()
    assert (report.anchored, report.logs[0].rotations, report.logs[0].roots) == (handed_over, 1, 4)


def test_the_new_key_handed_over_vouches_for_what_came_before_it_too():
    log = announcing("old", "new", "new")
    assert verify([log.export()], {log.origin: log.vkey}).findings == ()


def test_a_new_key_that_no_record_under_the_old_one_announces_is_not_followed():
    """Not announced; another one announced; announced by a record that the new key alone has signed."""
    third = Signer(Secret(b"3" * 32))
    for log in (written("old", "new"), announcing("old", "new", key=third)):
        assert names(verify([log.export()])) >= {Name.BAD_SIGNATURE, Name.WRONG_KEY}
    late = announcing("old", "new")
    del late.notes[1]
    assert names(verify([late.export()])) >= {Name.BAD_SIGNATURE, Name.WRONG_KEY}


def test_a_key_handed_over_that_the_export_does_not_name_is_another_log_s():
    log = announcing("old", "new")
    other = format_vkey(log.origin, Signer(Secret(b"3" * 32)).public_key)
    assert Name.WRONG_KEY in names(verify([log.export()], {log.origin: other}))


def test_an_export_of_before_the_rotation_fits_one_of_after_it_and_a_forged_succession_fits_neither():
    before, after = Log("asahi", LogParty.INTERMEDIATE), announcing("old", "new")
    before.bodies, before.notes = after.bodies[:1], after.notes[:1]
    assert verify([before.export(), after.export()]).findings == ()
    forged = Rotated("asahi", LogParty.INTERMEDIATE)
    forged.append(step(EntryKind.INQUIRY_REGISTERED, 0, 0), checkpoint=False)
    forged.signed(NEW)
    forged.declared = ()
    assert Name.WRONG_KEY in names(verify([before.export(), forged.export()]))


def test_which_of_two_exports_comes_first_makes_no_difference():
    before, after = Log("asahi", LogParty.INTERMEDIATE), announcing("old", "new")
    before.bodies, before.notes = after.bodies[:1], after.notes[:1]
    for given in ([before, after], [after, before]):
        for known in (None, {after.origin: after.vkey}, {after.origin: before.vkey}):
            assert verify([one.export() for one in given], known).findings == ()


def test_a_record_that_announces_another_purpose_or_nothing_at_all_leads_nowhere():
    log = announcing("old", "new")
    for said in (b'"signing"', b"7"):
        log.bodies[1] = log.bodies[1].replace(b'"log"', said)
        log.notes[1:] = []
        log.checkpoint()
        log.signed(NEW)
        assert Name.WRONG_KEY in names(verify([log.export()]))


def test_where_the_record_of_a_rotation_is_gone_with_its_year_the_declared_keys_are_taken_at_their_word():
    log = announcing("old", "new")
    gone = [StoredEntry(index=one.index, leaf=one.leaf, body=None) for one in log.entries()]
    assert Name.BAD_SIGNATURE not in names(verify([log.export(entries=gone)]))
    assert Name.BAD_SIGNATURE in names(verify([log.export(entries=gone)], {log.origin: log.first}))


@pytest.mark.parametrize("earlier", ["no key", format_vkey("sekisho.test/midori/intermediate/2026", NEW.public_key)])
def test_a_header_that_names_what_is_no_key_of_its_log_is_malformed(earlier):
    log = announcing("old", "new")
    log.said = [earlier]
    assert Name.MALFORMED in names(verify([log.export()]))


def test_of_a_later_year_the_log_begins_under_whichever_key_signed_first():
    log = written("new", "new")
    report = verify([log.export()])
    assert (report.findings, report.logs[0].rotations) == ((), 0)


def test_a_checkpoint_that_a_peer_has_held_since_before_the_rotation_verifies():
    log, peer = written("old", "new", "new"), Log("midori", LogParty.INTERMEDIATE)
    peer.append(step(EntryKind.PROVISION_MADE, 0, 0))
    peer.hold(log, log.notes[0])
    report = verify([log.export(), peer.export()], {**keys_of(log), peer.origin: peer.vkey})
    assert report.findings == ()
    assert report.peers_checked == 1
