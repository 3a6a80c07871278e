"""The agency register: who takes part, with which keys and certificates, signed by a root that the core does not hold.

The core passes messages between agencies but cannot enrol one or slip in a key of its own: every server checks the register's
signature with the root's public key from its own configuration (DESIGN §4 step 5, SC-1).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Final, TypeVar

import msgspec

from evidence import canonical
from evidence.checkpoint import first_of
from keys import labels
from keys.publisher import PublisherKey, PublisherKeys
from keys.signing import Signer, verify
from keys.windows import KeyWindow, PublicKeys
from transport.register_forms import FORM, present_form

_KEY_SIZE: Final = 32
_DIGEST_SIZE: Final = 32
_FINGERPRINT_SIZE: Final = 32
_NO_PUBLISHER: Final = PublisherKeys(())
Item = TypeVar("Item")


class Use(StrEnum):
    """What a certificate may be used for."""

    LINKAGE = "linkage"
    INTERMEDIATE = "intermediate"
    NETWORK = "network"
    RESIDENT_NETWORK = "resident_network"
    STAFF = "staff"
    BUSINESS_SYSTEM = "business_system"


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """Whose certificate this is: an agency (or `network`, `resident-network`), what for, its holder's name (staff id), and until when it counts.

    `valid_to` stands only at a certificate that was replaced; its own expiry is the handshake's matter.
    """

    agency: str
    use: Use
    name: str
    valid_to: datetime | None = None

    def accepted(self, now: datetime) -> bool:
        return self.valid_to is None or now <= self.valid_to


class AssessedDays(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Legal days, both inside, on which an agency's assessment duty (番号法28条) is met; None: no beginning, or no end, that is known."""

    valid_from: date | None = None
    valid_to: date | None = None

    def __post_init__(self) -> None:
        """Raises ValueError for days that end before they begin."""
        if self.valid_from and self.valid_to and self.valid_to < self.valid_from:
            raise ValueError("the days end before they begin")

    def cover(self, day: date) -> bool:
        return (self.valid_from is None or self.valid_from <= day) and (self.valid_to is None or day <= self.valid_to)


ALWAYS: Final = (AssessedDays(),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Agency:
    """One agency: id, 16-digit agency code, Japanese name, legal kinds, public keys of its intermediate server, and when it was or is assessed (28条)."""

    id: str
    code: str
    name: str
    kinds: frozenset[str]
    signing_keys: PublicKeys
    assessed: tuple[AssessedDays, ...]

    def assessed_on(self, day: date) -> bool:
        """Whether its assessment duty is met on a legal day (PL-6)."""
        return any(one.cover(day) for one in self.assessed)


class Side(StrEnum):
    """On which side of an inquiry an agency stands in for another (委任)."""

    INQUIRER = "inquirer"
    PROVIDER = "provider"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delegation:
    """委任 on file: `delegate` asks or answers for `delegator` on these legal days; `information`: kinds, empty for all."""

    delegator: str
    delegate: str
    side: Side
    valid_from: date
    valid_to: date | None
    information: frozenset[str]

    def covers(self, side: Side, delegator: str, delegate: str, information: str, day: date) -> bool:
        return (
            (self.side, self.delegator, self.delegate) == (side, delegator, delegate)
            and self.valid_from <= day
            and (self.valid_to is None or day <= self.valid_to)
            and (not self.information or information in self.information)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedList:
    """A version of the permission list that its publisher has given out: number, digest of its content (hex), legal date from which it is valid."""

    number: int
    content_digest: str
    valid_from: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Root:
    """The key that the register's owner signs by since it was replaced, and which one it is, the first being 1."""

    key: bytes
    number: int


class RegisterBrokenError(Exception):
    """The register's signature or form is wrong: the server must not start with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Register:
    """A checked register. `logs`: origin without year → public keys; `peers`: SHA-256 of the certificate (DER) → Peer; `permit_keys`: the core's.

    `sequence` rises with every register that the authority signs: a role never goes back.
    `delegations`: 委任 on file, on either side. `list_keys`: of the publisher of the permission list; none in a register that names none: then no version is taken.
    `lists`: every version that it has given out, so that a core can keep none back unseen (docs/adr/0071).
    `simulation`: everybody in it is made up; there alone a role's clock may be moved.
    `root`: the owner's key since it was first replaced: whoever takes this register trusts no earlier one any more (docs/adr/0074).
    """

    agencies: Mapping[str, Agency]
    peers: Mapping[bytes, Peer]
    logs: Mapping[str, PublicKeys]
    permit_keys: PublicKeys
    sequence: int = 0
    list_keys: PublisherKeys = _NO_PUBLISHER
    simulation: bool = False
    delegations: tuple[Delegation, ...] = ()
    lists: tuple[NamedList, ...] = ()
    root: Root | None = None

    def list_due(self, day: date) -> NamedList | None:
        """The version of the permission list that counts on a legal day, of those named; None: none is."""
        valid = (one for one in self.lists if one.valid_from <= day)
        return max(valid, key=lambda one: one.number, default=None)

    def delegated(self, side: Side, delegator: str | None, delegate: str, information: str, day: date) -> bool:
        """Whether an agency may act for another on a legal day, and whether the other is registered; for nobody: yes."""
        if delegator is None:
            return True
        known = delegator in self.agencies
        return known and any(one.covers(side, delegator, delegate, information, day) for one in self.delegations)

    @classmethod
    def read(cls, data: bytes, root: bytes) -> Register:
        """Check the signature with the root's public key and build the register. Raises RegisterBrokenError."""
        return build(signed_body(data, root))

    def log_keys_before(self, origin: str, key: bytes) -> tuple[bytes, ...]:
        """The keys of a log (its origin without a year) that came before this one, oldest first."""
        known = self.logs[origin].all() if origin in self.logs else ()
        return known[: known.index(key)] if key in known else ()

    def log_keys(self, origin: str) -> PublicKeys | None:
        """The public keys of a log by its full origin (`…/2026`), also of one that was opened anew."""
        return self.logs.get(first_of(origin)[0].rsplit("/", 1)[0])


class _Key(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    key: str
    valid_from: datetime | None
    valid_to: datetime | None


class _ListKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    key: str
    versions: list[str] | None


class _Agency(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    id: str
    code: str
    name: str
    kinds: list[str]
    signing_keys: list[_Key]
    assessed: list[AssessedDays]


class _Certificate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    sha256: str
    agency: str
    use: Use
    name: str
    valid_to: datetime | None


class _Log(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    origin: str
    keys: list[_Key]


class _Delegated(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    delegator: str
    delegate: str
    side: Side
    valid_from: date
    valid_to: date | None
    information: list[str]


class _List(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    number: int
    content_digest: str
    valid_from: date


class _Root(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    key: str
    number: int


class _Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a register of the present form says."""

    v: int
    sequence: int
    agencies: list[_Agency]
    certificates: list[_Certificate]
    logs: list[_Log]
    permit_keys: list[_Key]
    list_keys: list[_ListKey]
    simulation: bool
    delegations: list[_Delegated]
    lists: list[_List] = []
    root: _Root | None = None


def signed_body(data: bytes, root: bytes) -> dict[str, Any]:
    """What a register says, once a signature of the root holds; its form is not looked at yet. Raises RegisterBrokenError."""
    try:
        outer = json.loads(data)
        body = base64.b64decode(outer["register"], validate=True)
        signatures = [base64.b64decode(one, validate=True) for one in (outer["signature"], *outer.get("also", ()))]
        if not any(verify(root, labels.REGISTER, body, one) for one in signatures):
            raise RegisterBrokenError("the register is not signed by the configured root")
        found: dict[str, Any] = json.loads(body)
    except (ValueError, KeyError, TypeError, RecursionError):
        raise RegisterBrokenError("the register is not well-formed") from None
    return found


def build(body: Mapping[str, Any]) -> Register:
    """Of the present form or of one before it. Raises RegisterBrokenError."""
    try:
        return _built(msgspec.convert(present_form(body), _Body))
    except (msgspec.ValidationError, ValueError, KeyError, TypeError, AttributeError):
        raise RegisterBrokenError("the register is not well-formed") from None


def _built(body: _Body) -> Register:
    """Raises ValueError."""
    if body.v != FORM or body.sequence < 0:
        raise ValueError("a register of no known form")
    agencies = [
        Agency(
            id=one.id,
            code=one.code,
            name=one.name,
            kinds=frozenset(one.kinds),
            signing_keys=_keys(one.signing_keys),
            assessed=tuple(one.assessed),
        )
        for one in body.agencies
    ]
    peers = {
        _octets(one.sha256, _FINGERPRINT_SIZE): Peer(
            agency=one.agency, use=one.use, name=one.name, valid_to=one.valid_to
        )
        for one in body.certificates
    }
    if len(peers) != len(body.certificates):
        raise ValueError("a certificate stands there twice")
    return Register(
        agencies=_by(agencies, lambda one: one.id),
        peers=peers,
        logs={origin: _keys(log.keys) for origin, log in _by(body.logs, lambda one: one.origin).items()},
        permit_keys=_keys(body.permit_keys) if body.permit_keys else PublicKeys(()),
        sequence=body.sequence,
        list_keys=_publisher(body.list_keys),
        simulation=body.simulation,
        delegations=tuple(_delegation(one) for one in body.delegations),
        lists=_lists(body.lists),
        root=None if body.root is None else Root(key=_octets(body.root.key, _KEY_SIZE), number=body.root.number),
    )


def _by(items: Iterable[Item], name: Callable[[Item], str]) -> dict[str, Item]:
    listed = list(items)
    found = {name(one): one for one in listed}
    if len(found) != len(listed):
        raise ValueError("somebody stands there twice")
    return found


def _keys(keys: list[_Key]) -> PublicKeys:
    """In the order of the register: oldest first, each key once, every time with its offset."""
    windows = tuple(
        KeyWindow(key=_octets(one.key, _KEY_SIZE), valid_from=one.valid_from, valid_to=one.valid_to) for one in keys
    )
    times = [at for one in keys for at in (one.valid_from, one.valid_to) if at is not None]
    turned = any(one.valid_from and one.valid_to and one.valid_to < one.valid_from for one in keys)
    if (
        not windows
        or len({one.key for one in windows}) != len(windows)
        or turned
        or any(at.tzinfo is None for at in times)
    ):
        raise ValueError("no windows of keys")
    return PublicKeys(windows)


def _publisher(keys: list[_ListKey]) -> PublisherKeys:
    """Each key once; what a key has signed named by digests."""
    found = tuple(
        PublisherKey(
            key=_octets(one.key, _KEY_SIZE),
            signed=None
            if one.versions is None
            else frozenset(_octets(text, _DIGEST_SIZE).hex() for text in one.versions),
        )
        for one in keys
    )
    if len({one.key for one in found}) != len(found):
        raise ValueError("a key of the publisher stands there twice")
    return PublisherKeys(found)


def _octets(text: str, size: int) -> bytes:
    data = bytes.fromhex(text)
    if len(data) != size or data.hex() != text:
        raise ValueError("not so many bytes")
    return data


def _lists(items: list[_List]) -> tuple[NamedList, ...]:
    found = [
        NamedList(
            number=one.number,
            content_digest=_octets(one.content_digest, _DIGEST_SIZE).hex(),
            valid_from=one.valid_from,
        )
        for one in items
    ]
    if len({one.number for one in found}) != len(found):
        raise ValueError("a version of the list stands there twice")
    return tuple(found)


def _delegation(item: _Delegated) -> Delegation:
    return Delegation(
        delegator=item.delegator,
        delegate=item.delegate,
        side=item.side,
        valid_from=item.valid_from,
        valid_to=item.valid_to,
        information=frozenset(item.information),
    )


def sign_register(body: Mapping[str, Any], root: Signer, *others: Signer) -> bytes:
    """Sign a register body (the form that `build` reads) with the register authority's root; `others`: its other roots of these days."""
    encoded = canonical.encode(dict(body))
    first, *also = [base64.b64encode(one.sign(labels.REGISTER, encoded)).decode() for one in (root, *others)]
    said = {"register": base64.b64encode(encoded).decode(), "signature": first}
    return json.dumps(said | ({"also": also} if also else {})).encode()
