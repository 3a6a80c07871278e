"""Which permission list counts: signed heads of its versions, as the operator hands them over or IF_SCM_90023 brings them (PL-2).

A request names the list by `list_digest`, the content digest of the version in force: of those whose `valid_from` has come, the one with the highest number.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from typing import Any, Final

from evidence import canonical
from keys import labels
from keys.publisher import PublisherKeys
from partner.messages import MessageBrokenError, hexdigest, octets

_JST: Final = timezone(timedelta(hours=9))
_LARGEST: Final = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class List:
    """One version: its digest (hex), its documents as they were signed. Whose row is meant for whom is for the server to judge (`parties`)."""

    digest: str
    documents: Sequence[Mapping[str, Any]]

    def names(self, basis: str | None, item: str, information: str) -> bool:
        """Whether some row of the basis has this item and gives this kind of information."""
        return any(
            row["item"] == item and any(information in grant.get("information", ()) for grant in row.get("grants", ()))
            for document in self.documents
            if document.get("basis", {}).get("id") == basis
            for row in document.get("rows", ())
        )


def list_in_force(versions: Iterable[Mapping[str, str]], keys: PublisherKeys, now: datetime) -> List:
    """The list that counts at this instant. `keys`: the register's `list_keys`.

    Raises MessageBrokenError when a version is not its publisher's, not the next one, or not the content that its head names.
    """
    counts, before = None, (0, None)
    for version in versions:
        head, content = _read(version, keys)
        if (head["number"] - 1, head["supersedes"]) != before:
            raise MessageBrokenError("versions of the permission list that do not follow one another")
        before = head["number"], head["content_digest"]
        if date.fromisoformat(head["valid_from"]) <= legal_day(now):
            counts = List(digest=head["content_digest"], documents=json.loads(content))
    if counts is None:
        raise MessageBrokenError("no version of the permission list is in force")
    return counts


def legal_day(at: datetime) -> date:
    """A date in Japan: a version takes over at midnight there."""
    return at.astimezone(_JST).date()


def _read(version: Mapping[str, str], keys: PublisherKeys) -> tuple[dict[str, Any], bytes]:
    """Head and content, which are the publisher's and belong together. Raises MessageBrokenError."""
    try:
        data = octets(version["head"])
        if not keys.verify(labels.LIST, data, octets(version["signature"])):
            raise MessageBrokenError("a permission list that its publisher did not sign")
        head = canonical.decode(data)
        content = zlib.decompressobj().decompress(octets(version["content"]), _LARGEST)
    except (KeyError, ValueError, TypeError, zlib.error, canonical.NotCanonical):
        raise MessageBrokenError("a version of the permission list that is not as documented") from None
    if not isinstance(head, dict) or hexdigest(content) != head.get("content_digest"):
        raise MessageBrokenError("a permission list with another content than its head names")
    return head, content
