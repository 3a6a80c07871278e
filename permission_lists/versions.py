"""Dated versions of the signed permission list: their signed form, what makes one acceptable, which one counts on a day (PL-2, PL-4).

A version is content (the list's documents) and a signed head that names the content's digest, the version number, the
legal date from which it is valid, and the digest of the content that it supersedes. Heads form a chain without a gap, so a
server that holds version n takes n + 1 and nothing else: whatever is older, forked or forged is refused whole.
"""

from __future__ import annotations

import hashlib
import json
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final

from keys import labels
from keys.publisher import PublisherKeys
from keys.signing import Signer
from permission_lists.model import ListBroken, PermissionList, build, content_of

LARGEST_CONTENT: Final = 16 * 1024 * 1024
"""Bytes of JSON; the tables of law have about half a million."""
LARGEST_HEAD: Final = 1_024
OLDEST_PERMIT: Final = timedelta(days=60)
"""No permit is older than the longest deadline the network takes, so no list older than that is judged by (DESIGN §4)."""
CLOCKS_DIFFER: Final = timedelta(minutes=5)
_JST: Final = timezone(timedelta(hours=9))
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")


class VersionRefusal(StrEnum):
    """Why a version is not taken; stable codes, part of the log."""

    SIGNATURE = "list_signature"
    RETIRED = "list_key_retired"
    """The signature of a key that was replaced, on what it had not signed by then: somebody else has it."""
    HEAD_MALFORMED = "list_head_malformed"
    BACKWARDS = "list_version_backwards"
    FORKED = "list_version_forked"
    GAP = "list_version_gap"
    DIGEST_DIFFERS = "list_digest_differs"
    UNREADABLE = "list_unreadable"
    OVERDUE = "list_overdue"
    """It counts today by the signed register, and the core has not given it (docs/adr/0071); no answer of `check`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """`valid_from`: from midnight JST of that legal date. `supersedes`: content digest (hex) of the version before."""

    number: int
    content_digest: str
    valid_from: date
    supersedes: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedVersion:
    """As it travels and is stored: the head's canonical JSON, its Ed25519 signature, the content deflated (zlib)."""

    head: bytes
    signature: bytes
    content: bytes

    @property
    def digest(self) -> str:
        """Hex SHA-256 of exactly this head and signature: names a version that was refused."""
        return hashlib.sha256(self.head + self.signature).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What a version may be signed of: the hex SHA-256 of its content, and the content deflated (zlib)."""

    digest: str
    deflated: bytes


def content_to_sign(documents: Sequence[Any]) -> Content:
    """The caller has checked the documents. Raises ListBroken for what no reader would take."""
    content = content_of(documents)
    build(documents)
    return Content(digest=hashlib.sha256(content).hexdigest(), deflated=zlib.compress(content, 9))


def sign(content: Content, *, number: int, valid_from: date, supersedes: str | None, signer: Signer) -> SignedVersion:
    """A version of this content."""
    head = _encode(Head(number=number, content_digest=content.digest, valid_from=valid_from, supersedes=supersedes))
    return SignedVersion(head=head, signature=signer.sign(labels.LIST, head), content=content.deflated)


def make(
    documents: Sequence[Any], *, number: int, valid_from: date, supersedes: str | None, signer: Signer
) -> SignedVersion:
    """Sign a version of documents that the caller has checked. Raises ListBroken for what no reader would take."""
    content = content_to_sign(documents)
    return sign(content, number=number, valid_from=valid_from, supersedes=supersedes, signer=signer)


def check(received: SignedVersion, held: Sequence[Head], keys: PublisherKeys) -> Head | VersionRefusal | None:  # noqa: PLR0911 - one return for each numbered step
    """Whether a version may be taken on top of those held; None: it is one of them, so there is nothing to do.

    1. The list's publisher signed exactly this head (PL-4), with the key of now or with that of then.
    2. The head is well-formed, in its one encoding.
    3. It is the next version, and supersedes exactly the content held: never older, never another of the same number.
    4. The content is what the head names.
    5. The content is a list that decisions can be made on.
    """
    # 1
    signed = (labels.LIST, received.head, received.signature)
    if len(received.head) > LARGEST_HEAD or not keys.verify(*signed):
        return VersionRefusal.RETIRED if keys.retired(*signed) else VersionRefusal.SIGNATURE
    # 2
    head = read_head(received.head)
    if head is None:
        return VersionRefusal.HEAD_MALFORMED
    # 3
    if head in held:
        return None
    place = _place(head, max(held, key=lambda one: one.number, default=None))
    if place is not None:
        return place
    # 4
    content = _inflate(received.content)
    if content is None or hashlib.sha256(content).hexdigest() != head.content_digest:
        return VersionRefusal.DIGEST_DIFFERS
    # 5
    try:
        read_content(received.content)
    except ListBroken:
        return VersionRefusal.UNREADABLE
    return head


def _place(head: Head, latest: Head | None) -> VersionRefusal | None:
    """Why the head does not follow the latest one; None when it does."""
    if latest is None:
        return None if head.number == 1 else VersionRefusal.GAP
    if head.number < latest.number:
        return VersionRefusal.BACKWARDS
    if head.number == latest.number:
        return VersionRefusal.FORKED
    return VersionRefusal.GAP if head.number != latest.number + 1 or head.supersedes != latest.content_digest else None


def read_head(data: bytes) -> Head | None:
    """The head in its one encoding, or None."""
    try:
        source = json.loads(data)
        head = Head(
            number=source["number"],
            content_digest=source["content_digest"],
            valid_from=date.fromisoformat(source["valid_from"]),
            supersedes=source["supersedes"],
        )
        digests = [head.content_digest, *([] if head.supersedes is None else [head.supersedes])]
        well_formed = type(head.number) is int and head.number > 0 and all(map(_DIGEST.fullmatch, digests))
        return (
            head if well_formed and (head.supersedes is None) == (head.number == 1) and _encode(head) == data else None
        )
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _encode(head: Head) -> bytes:
    """Canonical JSON (RFC 8785: ASCII names and texts, small integers)."""
    return json.dumps(
        {
            "v": 1,
            "number": head.number,
            "content_digest": head.content_digest,
            "valid_from": head.valid_from.isoformat(),
            "supersedes": head.supersedes,
        },
        sort_keys=True,
        separators=(",", ":"),
    ).encode()


@lru_cache(maxsize=8)
def read_content(content: bytes) -> PermissionList:
    """The list of a version's deflated content; equal content is one value in memory. Raises ListBroken."""
    return build(read_documents(content))


def read_documents(content: bytes) -> list[Any]:
    """The documents of a version's deflated content. Raises ListBroken."""
    text = _inflate(content)
    try:
        documents = json.loads(text) if text is not None else None
    except (ValueError, RecursionError):
        documents = None
    if not isinstance(documents, list):
        raise ListBroken("the content of a list version is no list of documents")
    return documents


def _inflate(content: bytes) -> bytes | None:
    """At most LARGEST_CONTENT bytes: a peer cannot fill our memory."""
    inflater = zlib.decompressobj()
    try:
        text = inflater.decompress(content, LARGEST_CONTENT)
    except zlib.error:
        return None
    return text if inflater.eof and not inflater.unused_data else None


def in_force(heads: Sequence[Head], on: date) -> Head | None:
    """The version that counts on a legal day: of those valid by then, the one with the highest number.

    A newer version from an earlier day takes the place of one that was still ahead. Versions are published before their
    day (the core sees to it), so what counted on a past day never changes.
    """
    return max((head for head in heads if head.valid_from <= on), key=lambda head: head.number, default=None)


def overtaken_by(heads: Sequence[Head], head: Head) -> Head | None:
    """The first later version that counts from the day of this one, or from before it: this one counts on no day from then on."""
    return next((one for one in heads if one.number > head.number and one.valid_from <= head.valid_from), None)


def unchanged_by(heads: Sequence[Head], content_digest: str, valid_from: date) -> Head | None:
    """The version that says this content already on `valid_from`, when on every later day one does: another version of it would change nothing."""
    days = [valid_from, *(head.valid_from for head in heads if head.valid_from > valid_from)]
    counting = [in_force(heads, day) for day in days]
    same = all(head is not None and head.content_digest == content_digest for head in counting)
    return counting[0] if same else None


def of_permit(heads: Sequence[Head], list_digest: str, issued_at: datetime, now: datetime) -> Head | None:
    """The version that a provision is judged by: the one in force when its permit was issued, if the permit names it.

    The duty to provide arises with the notice of the permitted request (番号法第22条第1項), so what is under way when the
    list changes at midnight ends under the list it began under. None: the permit names another list, or is out of time.
    """
    if issued_at > now + CLOCKS_DIFFER or now - issued_at > OLDEST_PERMIT:
        return None
    found = in_force(heads, legal_day(issued_at))
    return found if found is not None and found.content_digest == list_digest else None


def legal_day(at: datetime) -> date:
    """The legal date in Japan of an instant: a version takes over at midnight JST."""
    return at.astimezone(_JST).date()
