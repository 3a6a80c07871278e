"""Which permission list counts: signed heads of its versions, as the operator hands them over or IF_SCM_90023 brings them (PL-2).

A request names the list by `list_digest`, the content digest of the version in force: of those whose `valid_from` has come, the one with the highest number.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta, timezone
from typing import Any, Final

from evidence import canonical
from keys import labels
from keys.signing import verify
from partner.messages import MessageBrokenError, hexdigest, octets

_JST: Final = timezone(timedelta(hours=9))
_LARGEST: Final = 16 * 1024 * 1024


def list_in_force(versions: Iterable[Mapping[str, str]], key: bytes, now: datetime) -> str:
    """The digest (hex) of the list that counts at this instant. `key`: the register's `list_key`.

    Raises MessageBrokenError when a version is not its publisher's, not the next one, or not the content that its head names.
    """
    counts, before = None, (0, None)
    for version in versions:
        head = _head(version, key)
        if (head["number"] - 1, head["supersedes"]) != before:
            raise MessageBrokenError("versions of the permission list that do not follow one another")
        before = head["number"], head["content_digest"]
        if date.fromisoformat(head["valid_from"]) <= now.astimezone(_JST).date():
            counts = head["content_digest"]
    if counts is None:
        raise MessageBrokenError("no version of the permission list is in force")
    return str(counts)


def _head(version: Mapping[str, str], key: bytes) -> dict[str, Any]:
    try:
        data = octets(version["head"])
        if not verify(key, labels.LIST, data, octets(version["signature"])):
            raise MessageBrokenError("a permission list that its publisher did not sign")
        head = canonical.decode(data)
        content = zlib.decompressobj().decompress(octets(version["content"]), _LARGEST)
    except (KeyError, ValueError, TypeError, zlib.error, canonical.NotCanonical):
        raise MessageBrokenError("a version of the permission list that is not as documented") from None
    if not isinstance(head, dict) or hexdigest(content) != head.get("content_digest"):
        raise MessageBrokenError("a permission list with another content than its head names")
    return head
