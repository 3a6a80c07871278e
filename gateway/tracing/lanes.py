"""Which party is which in one inquiry, and the words for what each saw, did and meant (words.yaml). Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any, Final

import yaml

from evidence.entry import EntryKind
from evidence.export import LogParty
from gateway.pages import templates
from gateway.topology import NETWORK
from gateway.tracing.proofs import Recorded
from permission_lists.decide import EXPLANATIONS, Reason


class Lane(StrEnum):
    """A party's part in an inquiry."""

    DESK = "desk"
    INQUIRER = "inquirer"
    CORE = "core"
    PROVIDER = "provider"


_ENDS: Final = (
    EntryKind.INQUIRY_ANSWERED, EntryKind.INQUIRY_NOT_PROVIDED, EntryKind.INQUIRY_REFUSED_BY_PROVIDER, EntryKind.INQUIRY_REFUSED_BY_NETWORK,
    EntryKind.INQUIRY_DENIED, EntryKind.INQUIRY_REFUSED, EntryKind.INQUIRY_ABORTED, EntryKind.INQUIRY_HELD,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Said:
    """The same thing in Japanese and in English."""

    text: str
    english: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """The parties of one inquiry and what it is about, as its records name them. `…_for`: whom a party asks or answers for (委任)."""

    inquirer: str
    provider: str
    basis: str | None
    item: str
    information: str
    inquirer_for: str | None = None
    provider_for: str | None = None

    @classmethod
    def of(cls, records: Sequence[Recorded]) -> Exchange:
        """From the first record that is a step of it. Raises StopIteration when there is none."""
        entry = next(one.entry for one in records if one.entry.get("inquirer"))
        return cls(
            inquirer=str(entry["inquirer"]),
            provider=str(entry.get("provider")),
            basis=entry.get("basis"),
            item=str(entry.get("item")),
            information=str(entry.get("information")),
            inquirer_for=entry.get("inquirer_for"),
            provider_for=entry.get("provider_for"),
        )

    def agency(self, lane: Lane) -> str:
        match lane:
            case Lane.DESK | Lane.INQUIRER:
                return self.inquirer
            case Lane.CORE:
                return NETWORK
            case Lane.PROVIDER:
                return self.provider

    def delegator(self, lane: Lane) -> str | None:
        """For whom the agency of a lane acts, where that is another."""
        match lane:
            case Lane.DESK | Lane.INQUIRER:
                return self.inquirer_for
            case Lane.CORE:
                return None
            case Lane.PROVIDER:
                return self.provider_for

    def lane(self, record: Recorded) -> Lane:
        """An agency that has a record and is neither is shown as a provider: a permit led there that should not have."""
        if record.server is LogParty.LINKAGE:
            return Lane.DESK
        if record.server is LogParty.CORE:
            return Lane.CORE
        return Lane.INQUIRER if record.agency == self.inquirer and _is_inquirers(record) else Lane.PROVIDER


def _is_inquirers(record: Recorded) -> bool:
    return not record.kind.startswith("provision.")


@cache
def words() -> Mapping[str, Any]:
    found: Mapping[str, Any] = yaml.load(templates.read("gateway.tracing", "words.yaml"), Loader=yaml.CSafeLoader)
    return found


def sight(lane: Lane, which: str, marks: frozenset[str]) -> list[Said]:
    """What a party `saw`, or was `blind` to, in an inquiry with records of these kinds and reasons (`marks`)."""
    return [
        Said(line["text"], line["english"])
        for line in words()["lanes"][lane.value][which]
        if ("when" not in line or marks & set(line["when"])) and not marks & set(line.get("unless", ()))
    ]


def ending(kinds: frozenset[str]) -> Said:
    """How it ended, as the inquirer knows it."""
    kind = next((one.value for one in _ENDS if one.value in kinds), "open")
    found = words()["endings"][kind]
    return Said(found["text"], found["english"])


def reason(code: str | None) -> str:
    """A reason in Japanese with its code; only the code where we have no words."""
    known = EXPLANATIONS[Reason(code)] if code in set(Reason) else words()["reasons"].get(code)
    return f"{known}（{code}）" if known else str(code or "")
