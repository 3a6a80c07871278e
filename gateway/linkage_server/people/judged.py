"""What a judgement of one change is (LS-1.2). Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from enum import StrEnum
from functools import partial

import msgspec

from codebook.four_items import Field
from gateway.batch.text_forms import TextReason
from gateway.linkage_server.addressees.decide import differing, folds_told
from gateway.linkage_server.people.changes import Change, ChangeReason
from gateway.linkage_server.people.state import (
    Event,
    Items,
    Kind,
    Person,
    State,
    happens_after_death,
    happens_before_birth,
)
from gateway.linkage_server.people.whose_numbers import Someone
from gateway.linkage_server.plausibility import is_household_member
from gateway.linkage_server.ways_of_writing import FoldsTold


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
    `reinstates`: the event is there and did not count, as it waited or was held; `withdraws`: key of the registration that it takes back before anybody
    is registered, `withdrawn_digest` of what that said; `digest`: of what the change says; `folds`: by
    which a move-in or birth is somebody who is held, although it is written differently.
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
    withdraws: str = ""
    withdrawn_digest: bytes = b""
    differing: frozenset[Field] = frozenset()
    digest: bytes = b""
    folds: FoldsTold = tuple

    def __repr__(self) -> str:
        return "<Judged>"


def outside_life(change: Change, state: State, birth_date: str, events: Sequence[Event]) -> ChangeReason | None:
    """Why a change holds from a day on which the person did not live. `state`: as of today; `birth_date`: with the change; `events`: without it."""
    if happens_after_death(change.kind, change.effective_on, state, events):
        return ChangeReason.EVENT_AFTER_DEATH
    before = happens_before_birth(change.kind, change.effective_on, birth_date)
    return ChangeReason.EVENT_BEFORE_BIRTH if before else None


def judged_as(change: Change, key: str, outcome: ChangeOutcome, reason: ChangeReason | str | None = None) -> Judged:
    """A change of which nothing is recorded for anybody."""
    return Judged(change=change, line=change.line, outcome=outcome, reason=reason, key=key)


def counts_against(one: Judged) -> bool:
    """Whether a change speaks against the file that it stands in."""
    return one.outcome is ChangeOutcome.HELD and one.reason != ChangeReason.PERSON_FROZEN


def again(
    change: Change, key: str, outcome: ChangeOutcome, reason: str = ChangeReason.ALREADY_KNOWN, *, same: bool
) -> Judged:
    """An event id that came before tells what became of it; with other words it is another change's."""
    if same:
        return judged_as(change, key, outcome, reason)
    return judged_as(change, key, ChangeOutcome.REJECTED, ChangeReason.EVENT_ID_REUSED)


def disagrees(change: Change, key: str, fields: frozenset[Field]) -> Judged:
    """A change that disagrees in these fields of the four items."""
    household = is_household_member(fields)
    reason = ChangeReason.NUMBER_OF_A_HOUSEHOLD_MEMBER if household else ChangeReason.FOUR_ITEMS_DIFFER
    return msgspec.structs.replace(judged_as(change, key, ChangeOutcome.HELD, reason), differing=fields)


def returns_as_another(change: Change, key: str, before: Person, after: Person) -> Judged | None:
    """A move-in under an addressee number that is held is somebody's return. Only the address may be new: a business system that has given the
    number to somebody else would make one person of two, and the resident network agrees to both.
    """
    if before.individual_number not in ("", after.individual_number):
        return judged_as(change, key, ChangeOutcome.HELD, ChangeReason.INDIVIDUAL_NUMBER_DIFFERS)
    fields = differing(before.items, after.items)
    return disagrees(change, key, fields) if fields - {Field.ADDRESS} else None


def corrected_into_another(change: Change, key: str, before: Person, after: Person) -> Judged | None:
    """A correction after which neither name nor birth date is what it was says that the person is another one. Where other business systems hold them
    it would make another of theirs too, so somebody looks. Whom nobody else holds is whom their one system says, and whoever has a number is whom the
    resident network says.
    """
    differs = differing(before.items, after.items)
    if change.kind is not Kind.CORRECTION or not {Field.NAME, Field.BIRTH_DATE} <= differs:
        return None
    held = judged_as(change, key, ChangeOutcome.HELD, ChangeReason.FOUR_ITEMS_DIFFER)
    return msgspec.structs.replace(held, differing=differs)


def folds_to(someone: Someone | None, items: Items, today: date) -> FoldsTold:
    """Finds out by which folds somebody who is held, as of today, is whom a change says, when nothing differs beyond them."""
    return partial(folds_told, someone.on(today).items, items) if someone is not None else tuple
