"""部分提供 (partial release, SC-4): items that staff strike out of what would leave. Pure.

The inquirer is told which items were withheld, by a reason of null of its own; why stays in the records of the provider alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

WITHHELD: Final = "Withheld"
"""The reason of null that an inquirer sees; no layout allows it in a copy."""
Records = Sequence[Mapping[str, Any]]


class WhyWithheld(StrEnum):
    """Why an item does not leave: on record, never said to the inquirer."""

    NON_DISCLOSURE = "non_disclosure"
    PROTECTION_OF_PERSON = "protection_of_person"
    UNDER_CORRECTION = "under_correction"
    NOT_NEEDED = "not_needed"


class Withheld(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One strike: the item in the record at this place of the list (None: in every record that has it)."""

    item: Annotated[str, Meta(min_length=1, max_length=100)]
    reason: WhyWithheld
    record: Annotated[int, Meta(ge=0)] | None = None

    def strikes(self, record: int, item: str) -> bool:
        return self.item == item and self.record in (None, record)


WITHHELD_LIST = msgspec.json.Decoder(list[Withheld])


class StrikeRefusal(StrEnum):
    NOT_THERE = "withheld_item_not_there"
    NOTHING_LEFT = "nothing_left"


def strike(records: Records, withheld: Sequence[Withheld]) -> list[dict[str, Any]] | StrikeRefusal:
    """What leaves when these items do not. A strike that strikes nothing is a mistake, and so is one that leaves no value: that is a refusal."""
    for one in withheld:
        if not any(one.strikes(place, item) for place, record in enumerate(records) for item in record["items"]):
            return StrikeRefusal.NOT_THERE
    left = [
        {
            **record,
            "items": {
                item: {"null_reason": WITHHELD} if any(one.strikes(place, item) for one in withheld) else said
                for item, said in record["items"].items()
            },
        }
        for place, record in enumerate(records)
    ]
    had_values, has_values = (
        any("value" in said for record in of for said in record["items"].values()) for of in (records, left)
    )
    return StrikeRefusal.NOTHING_LEFT if withheld and had_values and not has_values else left


def encode(withheld: Sequence[Withheld]) -> str:
    """In one order, so that two people who strike the same have struck the same."""
    return msgspec.json.encode(sorted(withheld, key=lambda one: (one.item, one.record or -1, one.reason))).decode()
