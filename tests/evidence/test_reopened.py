"""A log that lost its tail goes on under another origin (SC-15): what is declared is no fork, what is not declared is found."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace

from evidence.checkpoint import first_of, format_vkey, opened_anew, sign
from evidence.entry import EntryKind, other_entry
from evidence.export import Header, LogParty, write
from evidence.findings import FindingName as Name
from evidence.verify import Export, verify
from tests.evidence.exchanges import START, Log, step
from tests.evidence.test_verify import names


class Reopened(Log):
    """A log that went on under its second origin after `size` entries. `holder`: somebody who has seen what was lost."""

    size = 0

    @property
    def again(self) -> str:
        return opened_anew(self.origin, 1)

    def reopen(self, lost: Log | None, **facts) -> None:
        self.size = len(self.bodies)
        said = {
            "times": 1,
            "size": self.size,
            "known_size": len(lost.bodies) if lost else 0,
            "known_root": lost.root().hex() if lost else "",
            **facts,
        }
        self.go_on(other_entry(id="E0", at=START + timedelta(minutes=2), kind=EntryKind.LOG_REOPENED, facts=said))

    def go_on(self, entry) -> None:
        self.append(entry, checkpoint=False)
        self.notes.append(sign(self.again, len(self.bodies), self.root(), self.signer))

    def export_again(self, origin: str = "") -> Export:
        origin = origin or self.again
        header = Header(
            agency=self.agency,
            origin=origin,
            party=self.party,
            size=len(self.bodies),
            vkey=format_vkey(origin, self.signer.public_key),
        )
        lines = list(write(header, entries=self.entries(), checkpoints=self.notes, peers=self.peers))
        return Export(self.agency, lines)


def lived(count: int, kind=Reopened) -> Reopened:
    log = kind("asahi", LogParty.INTERMEDIATE)
    for number in range(count):
        log.append(step(EntryKind.INQUIRY_REGISTERED, number, 0))
    return log


def core_that_saw(*logs: Log) -> Log:
    core = Log("network", LogParty.CORE)
    core.append(step(EntryKind.PERMIT_ISSUED, 1, 0))
    for log in logs:
        core.hold(log)
    return core


def restored(*, seen: int = 9, at: int = 6, **facts) -> tuple[Reopened, Log]:
    """A log of `at` entries that had `seen` before, and the core that saw them."""
    before, log = lived(seen), lived(at)
    core = core_that_saw(before)
    log.reopen(before, **facts)
    log.go_on(step(EntryKind.INQUIRY_REGISTERED, 77, 1))
    return log, core


def found(log: Reopened, core: Log, origin: str = ""):
    trusted = {one.origin: one.vkey for one in (log, core)}
    return verify([log.export_again(origin), core.export()], trusted)


def test_a_declared_loss_is_no_finding():
    report = found(*restored())
    assert report.findings == ()
    assert report.logs[-1].roots == 8


def test_a_core_that_goes_on_with_the_new_origin_is_compared_with_it():
    log, core = restored()
    core.peers.append(
        core.peers[0].__class__(held_since="2026-11-24T07:00:00.000Z", note=log.notes[-1], origin=log.again)
    )
    report = found(log, core)
    assert report.findings == ()
    assert report.logs[-1].peer_checkpoints >= 1


def test_a_loss_that_is_not_declared_whole_is_named():
    assert names(found(*restored(known_size=8))) == {Name.DROPPED_TAIL}


def test_another_history_than_the_declared_one_is_a_fork():
    assert names(found(*restored(known_root="00" * 32))) == {Name.FORK}


def test_going_on_under_the_old_origin_is_a_fork():
    before, log = lived(9), lived(6, Log)
    core = core_that_saw(before)
    for number in range(50, 60):
        log.append(step(EntryKind.INQUIRY_REGISTERED, number, 1))
    report = verify([log.export(), core.export()], {one.origin: one.vkey for one in (log, core)})
    assert Name.FORK in names(report)


@pytest.mark.parametrize("facts", [{"times": 2}, {"size": 5}], ids=str)
def test_an_opening_at_another_place_is_named(facts):
    assert Name.MALFORMED in names(found(*restored(**facts)))


def test_an_export_that_hides_its_opening_is_named():
    log, core = restored()
    assert Name.MALFORMED in names(found(log, core, origin=log.origin))


def test_a_checkpoint_under_an_origin_that_is_not_its_time_is_named():
    log, core = restored()
    log.notes[-1] = sign(log.origin, len(log.bodies), log.root(), log.signer)
    assert Name.BAD_SIGNATURE in names(found(log, core))


@pytest.mark.parametrize(
    ("origin", "first", "times"),
    [
        ("sekisho.example/a/intermediate/2026", "sekisho.example/a/intermediate/2026", 0),
        ("sekisho.example/a/intermediate~3/2026", "sekisho.example/a/intermediate/2026", 3),
        ("sekisho.example/a/intermediate~0/2026", "sekisho.example/a/intermediate~0/2026", 0),
        ("sekisho.example/a/intermediate~x/2026", "sekisho.example/a/intermediate~x/2026", 0),
        ("~1/2026", "~1/2026", 0),
        ("", "", 0),
    ],
)
def test_origins_are_read_exactly(origin, first, times):
    assert first_of(origin) == (first, times)


def test_an_origin_opened_anew_leads_back():
    origin = "sekisho.example/a/intermediate/2026"
    assert first_of(opened_anew(opened_anew(origin, 1), 2)) == (origin, 2)
    with pytest.raises(ValueError, match="once at least"):
        opened_anew(origin, 0)


# --- a backup that is restored twice


def restored_twice(*, lived_again: int = 3, declared: int = -1) -> tuple[Reopened, Log]:
    """Lost at nine entries and restored with six; `lived_again` entries later lost again, and restored with the same six under the third origin.

    `declared`: what the log says that others had seen of its second origin, unless it is the truth.
    """
    first, second, log = lived(9), lived(6), lived(6)
    second.reopen(first)
    for number in range(lived_again - 1):
        second.go_on(step(EntryKind.INQUIRY_REGISTERED, 50 + number, 1))
    core = core_that_saw(first)
    core.peers.append(replace(core.peers[0], note=second.notes[-1], origin=second.again))
    known = len(second.bodies) if declared < 0 else declared
    for times, size, root in ((1, 9, first.root()), (2, known, second.root())):
        facts = {"times": times, "size": 6, "known_size": size, "known_root": root.hex()}
        entry = other_entry(id=f"E{times}", at=START + timedelta(minutes=3), kind=EntryKind.LOG_REOPENED, facts=facts)
        log.append(entry, checkpoint=False)
    log.notes.append(sign(opened_anew(log.origin, 2), len(log.bodies), log.root(), log.signer))
    return log, core


@pytest.mark.parametrize("lived_again", [1, 2, 5])
def test_a_backup_that_was_restored_twice_says_what_was_lost_each_time(lived_again):
    log, core = restored_twice(lived_again=lived_again)
    assert found(log, core, opened_anew(log.origin, 2)).findings == ()


def test_what_was_lost_of_the_second_origin_and_not_declared_is_found():
    log, core = restored_twice(declared=7)
    assert Name.DROPPED_TAIL in names(found(log, core, opened_anew(log.origin, 2)))
