"""A log whose key was rotated: every checkpoint counts by a key of its time, also long after the old key went out of use."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import pytest

from evidence.checkpoint import format_vkey, sign
from evidence.entry import EntryKind
from evidence.export import LogParty
from evidence.findings import FindingName as Name
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

    @property
    def vkey(self) -> str:
        return format_vkey(self.origin, NEW.public_key)

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


def test_a_checkpoint_that_a_peer_has_held_since_before_the_rotation_verifies():
    log, peer = written("old", "new", "new"), Log("midori", LogParty.INTERMEDIATE)
    peer.append(step(EntryKind.PROVISION_MADE, 0, 0))
    peer.hold(log, log.notes[0])
    report = verify([log.export(), peer.export()], {**keys_of(log), peer.origin: peer.vkey})
    assert report.findings == ()
    assert report.peers_checked == 1
