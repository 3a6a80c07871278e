"""What a judgement of one change is (LS-1.2). Pure."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from codebook.four_items import Field
from gateway.batch.text_forms import TextReason
from gateway.linkage_server.people.changes import Change, ChangeReason
from gateway.linkage_server.people.state import Event
from gateway.linkage_server.people.whose_numbers import Someone


class ChangeOutcome(StrEnum):
    """What became of a change."""

    APPLIED = "applied"
    ISSUED = "issued"
    LINKED = "linked"
    WAITING = "waiting"
    UNCHANGED = "unchanged"
    HELD = "held"
    REJECTED = "rejected"


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """One change's outcome. `event`: to be recorded for `someone`; `registers`: its addressee number is new;
    `reinstates`: the event is there and did not count, as it waited or was held; `digest`: of what the change says.
    """

    change: Change | None
    line: int
    outcome: ChangeOutcome
    reason: ChangeReason | TextReason | str | None = None
    where: str | None = None
    key: str = ""
    someone: Someone | None = None
    event: Event | None = None
    registers: bool = False
    reinstates: bool = False
    differing: frozenset[Field] = frozenset()
    digest: bytes = b""

    def __repr__(self) -> str:
        return "<Judged>"
