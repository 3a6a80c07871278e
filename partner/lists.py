"""Which permission list counts: signed heads of its versions, as the operator hands them over or IF_SCM_90023 brings them (PL-2).

A request names the list by `list_digest`, the content digest of the version in force: of those whose `valid_from` has come, the one with the highest number.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from typing import Any, Final

from evidence import canonical
from keys import labels
from keys.publisher import PublisherKeys
from partner.messages import MessageBrokenError, hexdigest, octets
from partner.providing import parties
from transport.register import Agency, Register

_JST: Final = timezone(timedelta(hours=9))
_LARGEST: Final = 16 * 1024 * 1024
_STATUTORY: Final = frozenset({"statute", "order"})
_OPEN: Final = date.max.isoformat()


@dataclass(frozen=True, slots=True, kw_only=True)
class List:
    """One version: its digest (hex), its documents as they were signed."""

    digest: str
    documents: Sequence[Mapping[str, Any]]

    def permits(self, claims: Mapping[str, Any], register: Register) -> bool:
        """Whether a row permits what a permit claims, on the legal day on which it was issued (番号法第19条第8号; PL-4).

        1. who asks and who answers, or has delegated it (`parties`), are registered, two, and assessed (番号法第28条)  2. basis and row are in force
        3. the row has this inquirer  4. it has this information of this provider. Whom only other law could place in a row is not in it.
        """
        day = legal_day(datetime.fromisoformat(claims["issued_at"]))
        # 1
        inquirer, provider = map(register.agencies.get, parties(claims))
        if inquirer is None or provider is None or inquirer.name == provider.name:
            return False
        if not (inquirer.assessed_on(day) and provider.assessed_on(day)):
            return False
        # 2, 3, 4
        return any(
            row["item"] == claims["item"]
            and not row.get("deleted", False)
            and _covers(row.get("in_force", document["basis"]["in_force"]), day)
            and _permits(document, row, inquirer, provider, claims["information"])
            for document in self.documents
            if _is_meant(document["basis"], claims["basis"]) and _covers(document["basis"]["in_force"], day)
            for row in document["rows"]
        )


def _is_meant(basis: Mapping[str, Any], named: str | None) -> bool:
    """Without a name it is the statute or order of the day."""
    return basis["kind"] in _STATUTORY if named is None else bool(basis["id"] == named)


def _covers(period: Mapping[str, str | None], day: date) -> bool:
    """Days in ISO form, `to` the last one inside, None for open."""
    return str(period["from"]) <= day.isoformat() <= (period["to"] or _OPEN)


def _permits(
    document: Mapping[str, Any], row: Mapping[str, Any], inquirer: Agency, provider: Agency, information: str
) -> bool:
    terms = document["definitions"]["terms"]
    asker = terms[row["inquirer"]]
    if document["basis"]["kind"] == "ordinance":  # it lets those ask whom it names, nobody by a kind (docs/adr/0085)
        asker = {**asker, "kinds": ()}
    return _is(asker, inquirer) and any(
        information in grant["information"] and _is(terms[grant["provider"]], provider) for grant in row["grants"]
    )


def _is(term: Mapping[str, Any], agency: Agency) -> bool:
    return agency.name in term.get("agencies", ()) or not agency.kinds.isdisjoint(term["kinds"])


def list_in_force(versions: Iterable[Mapping[str, str]], keys: PublisherKeys, now: datetime) -> List:
    """The list that counts at this instant. `keys`: the register's `list_keys`.

    Raises MessageBrokenError when a version is not its publisher's, not the next one, or not the content that its head names.
    """
    counts = None
    for head, content in _following(versions, keys):
        if date.fromisoformat(head["valid_from"]) <= legal_day(now):
            counts = List(digest=head["content_digest"], documents=json.loads(content))
    if counts is None:
        raise MessageBrokenError("no version of the permission list is in force")
    return counts


def with_offered(
    held: Sequence[Mapping[str, str]], offered: Sequence[Mapping[str, str]], keys: PublisherKeys
) -> list[Mapping[str, str]]:
    """The versions held, and of those that the network offers (IF_SCM_90023) all before the first that is not to be taken (PL-4).

    Raises MessageBrokenError when those held are broken themselves.
    """
    taken: list[Mapping[str, str]] = []
    chain = _following([*held, *offered], keys)
    for version in (*held, *offered):
        try:
            next(chain)
        except MessageBrokenError:
            if len(taken) < len(held):
                raise
            break
        taken.append(version)
    return taken


def _following(versions: Iterable[Mapping[str, str]], keys: PublisherKeys) -> Iterator[tuple[dict[str, Any], bytes]]:
    """Head and content of each, one after the other. Raises MessageBrokenError."""
    before: tuple[int, str | None] = (0, None)
    for version in versions:
        head, content = _read(version, keys)
        if (head["number"] - 1, head["supersedes"]) != before:
            raise MessageBrokenError("versions of the permission list that do not follow one another")
        before = head["number"], head["content_digest"]
        yield head, content


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
