"""異動の候補: what the resident network says has changed of somebody, put beside what is held, as changes that could be sent (LS-1.2). Pure.

A candidate changes nothing: the business system that holds the person sends it as a change, or does not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any, Final

import msgspec

from codebook.four_items import Field
from gateway.linkage_server.addressees.decide import differing
from gateway.linkage_server.people.state import ITEMS, Kind, Person

_CORRECTED: Final = frozenset({Field.SEX, Field.BIRTH_DATE})


def event_id(
    kind: Kind, addressee_number: str, on: date, says: Mapping[str, str], digest_of: Callable[[bytes], bytes]
) -> str:
    """The same for the same change: a candidate that is sent twice changes nothing twice. One of the same day that says something else has another,
    by a keyed digest. At most 72 characters.
    """
    said = digest_of(msgspec.json.encode(says, order="sorted")).hex()[:16]
    return f"jrn-{kind.value}-{on.isoformat()}-{addressee_number}-{said}"


def candidates(
    person: Person,
    addressee_number: str,
    said: Mapping[str, Any],
    four_items: Mapping[str, str] | None,
    *,
    digest_of: Callable[[bytes], bytes],
) -> list[dict[str, str]]:
    """Items of POST /v1/person-changes. `said`: the network's notice (`individual_number`, `changes`); `four_items`: what it holds now, None when it was
    not asked; `digest_of`: keyed, of what a candidate says.
    """
    days = {one["kind"]: date.fromisoformat(one["changed_on"]) for one in said["changes"]}
    found: list[tuple[Kind, date, dict[str, str]]] = []
    number = str(said["individual_number"])
    if number != person.individual_number and "individual_number" in days:
        found.append((Kind.INDIVIDUAL_NUMBER_CHANGE, days["individual_number"], {"individual_number": number}))
    if four_items is not None and "four_items" in days:
        found += [(kind, days["four_items"], says) for kind, says in _of_items(person, four_items)]
    return [
        {
            "event_id": event_id(kind, addressee_number, on, says, digest_of),
            "addressee_number": addressee_number,
            "kind": kind.value,
            "effective_on": on.isoformat(),
            **says,
        }
        for kind, on, says in found
    ]


def _of_items(person: Person, now: Mapping[str, str]) -> list[tuple[Kind, dict[str, str]]]:
    """By what differs: sex or birth date is a correction of all that differs; else a change of name, of address, or of both."""
    names: Sequence[str] = ITEMS
    differs = differing([now[name] for name in names], list(person.items))
    if differs & _CORRECTED:
        return [(Kind.CORRECTION, {field.value: now[field.value] for field in Field if field in differs})]
    found = []
    if differs & {Field.NAME, Field.KANA}:
        found.append((Kind.NAME_CHANGE, {"name": now["name"], "kana": now["kana"]}))
    if Field.ADDRESS in differs:
        found.append((Kind.ADDRESS_CHANGE, {"address": now["address"]}))
    return found
