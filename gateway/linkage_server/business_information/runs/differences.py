"""原本と副本の照合 (IS-6, SC-17): what a page of originals and the copies of the same range say of one another. Pure."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any

from gateway.linkage_server.business_information.originals import Transfer

Copy = Mapping[str, Any]
"""A record of IF_DBM_90019's answer."""


class Difference(StrEnum):
    """missing: no copy where there must be one. surplus: a copy where there may be none. differing: another content.

    wrong_version: another version of the layout, or an earlier or later sending than the one that was answered. unreadable: the copy does not open.
    refused: the intermediate server did not take what the original says now; an earlier copy may still stand there and be answered from.
    """

    MISSING = "missing"
    SURPLUS = "surplus"
    DIFFERING = "differing"
    WRONG_VERSION = "wrong_version"
    UNREADABLE = "unreadable"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One difference. `revision`: of the original when it was compared (None: there is none); `copy`: as it lies over there.

    `awaits`: the original waits for its first transfer, and none of it may be over there.
    """

    record_id: str
    difference: Difference
    revision: int | None
    copy: Copy | None
    awaits: bool = False

    @property
    def copy_alone(self) -> bool:
        """The copy goes, and no original is sent for that."""
        return self.revision is None or self.awaits


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """`equal`: how many agree, both being there or both not; `under_way`: how many say nothing, being due.

    So does one that was changed to a version whose first transfer has not been made: what stands over there is the version before.
    """

    found: tuple[Found, ...]
    equal: int
    under_way: int


def compare(
    originals: Sequence[Any], copies: Mapping[str, Copy], digest: Callable[[Any], bytes | None], today: date
) -> Page:
    """Rows of `original` against the copies of the same range; one whose last public day is over needs none.

    `digest`: of an original as its copy must be (None: the original does not open).
    """
    found: list[Found] = []
    equal = under_way = 0
    for row in originals:
        copy = copies.get(row["record_id"])
        if row["transfer"] == Transfer.DUE or (row["transfer"] == Transfer.AWAITING_FIRST and row["offered"]):
            under_way += 1
            continue
        difference = _difference(row, copy, digest, today)
        if difference is None:
            equal += 1
        else:
            awaits = row["transfer"] == Transfer.AWAITING_FIRST
            found.append(
                Found(
                    record_id=row["record_id"],
                    difference=difference,
                    revision=row["revision"],
                    copy=copy,
                    awaits=awaits,
                )
            )
    known = {row["record_id"] for row in originals}
    found += [
        Found(record_id=name, difference=Difference.SURPLUS, revision=None, copy=copy)
        for name, copy in copies.items()
        if name not in known
    ]
    return Page(found=tuple(sorted(found, key=lambda one: one.record_id)), equal=equal, under_way=under_way)


def _difference(row: Any, copy: Copy | None, digest: Callable[[Any], bytes | None], today: date) -> Difference | None:
    if row["transfer"] == Transfer.REFUSED:
        return Difference.REFUSED
    wanted = row["transfer"] == Transfer.REGISTERED
    if copy is None:
        over = row["public_to"] is not None and row["public_to"] < today
        return Difference.MISSING if wanted and not over else None
    if not wanted:
        return Difference.SURPLUS
    if copy.get("unreadable") is True:
        return Difference.UNREADABLE
    if (copy.get("version"), copy.get("revision")) != (row["layout_version"], row["replica_revision"]):
        return Difference.WRONG_VERSION
    mine, theirs = digest(row), copy.get("digest")
    same = mine is not None and isinstance(theirs, bytes) and hmac.compare_digest(mine, theirs)
    return None if same else Difference.DIFFERING


def differing_fields(expected: Mapping[str, Any], copy: Copy) -> list[str]:
    """Names of what differs, never values: columns first, then items as `items.<name>`."""
    fields = [name for name, value in expected.items() if name != "items" and _plain(value) != copy.get(name)]
    mine, theirs = expected["items"], copy.get("items") or {}
    return fields + [f"items.{name}" for name in sorted({*mine, *theirs}) if mine.get(name) != theirs.get(name)]


def _plain(value: Any) -> Any:
    return value.isoformat() if hasattr(value, "isoformat") else value
