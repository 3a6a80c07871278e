"""職員 (members of staff): one id per person, two factors, and when any of it ends (IS-9, SC-10). Pure.

The numbered steps of `judge_entrance` all run: an answer tells nobody which of them failed.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from evidence.access_analysis import Measures, measures_from
from keys.passphrase import NORMAL, Profile

OFFICE: Final = re.compile(r"[a-z][a-z0-9-]{1,30}")
STAFF_ID: Final = OFFICE
RESERVED: Final = frozenset({"auto", "set-up", "unknown", "operator", "restore"})
"""What records call the servers themselves, or nobody: no id of a person."""
SHORTEST_PASSWORD: Final = 12
LONGEST_PASSWORD: Final = 128


class MemberState(StrEnum):
    ACTIVE = "active"
    LEFT = "left"
    UNVOUCHED = "unvouched"
    """Active in a row that this server did not write so (staff.vouching): somebody unknown."""


class CardKind(StrEnum):
    """`key`: an Ed25519 key on the card, for the command line; `webauthn`: the card at a terminal's browser."""

    KEY = "key"
    WEBAUTHN = "webauthn"


class CardState(StrEnum):
    ACTIVE = "active"
    REVOKED = "revoked"
    UNVOUCHED = "unvouched"
    """Active in a row that this server did not write so (staff.vouching): no card."""


class Purpose(StrEnum):
    """Why a member of staff works: said at log-in, on every record (SC-7)."""

    HELD_REVIEW = "held_review"
    INSPECTION = "inspection"
    DISCLOSURE = "disclosure"
    COMPLAINT = "complaint"
    INCIDENT = "incident"
    ADMINISTRATION = "administration"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What an agency has decided about its staff; each has an option `staff_<name>` (durations in seconds) in role.json.

    `measures`: its office hours among them (`staff_opens`, `staff_closes`, `staff_closed`).
    """

    idle: timedelta = timedelta(minutes=15)
    absolute: timedelta = timedelta(hours=10)
    sessions: int = 5
    failures: int = 5
    terminal_failures: int = 20
    locked_for: timedelta = timedelta(minutes=30)
    challenge_for: timedelta = timedelta(minutes=2)
    password_for: timedelta = timedelta(days=180)
    initial_for: timedelta = timedelta(days=7)
    card_for: timedelta = timedelta(days=5 * 365)
    account_for: timedelta = timedelta(days=5 * 365)
    measures: Measures = field(default_factory=Measures)
    rp_id: str = "localhost"
    origins: frozenset[str] = frozenset()
    two_person_release: frozenset[str] = frozenset()
    two_person_bars: frozenset[str] = frozenset()
    profile: Profile = NORMAL

    def two_people(self, information: str) -> bool:
        """Whether two people must release a held provision of this kind (SC-4); `*` stands for every kind."""
        return bool(self.two_person_release & {information, "*"})

    def two_people_for_a_bar(self, information: str) -> bool:
        """Whether a second person must check a bar on this kind, and lift it (SC-4); a bar on every kind is one on each that is named."""
        return bool(self.two_person_bars if information == "*" else self.two_person_bars & {information, "*"})


TERMINAL_PORT: Final = 8440
"""Where `sekisho terminal` listens unless told otherwise. Browsers let cards speak to pages of this machine without TLS (Secure Contexts §3.1)."""


def rules_from(options: Mapping[str, Any], profile: Profile, port: int) -> Rules:
    """Rules from a role's options. Raises ValueError when one is not of its kind."""
    given: dict[str, Any] = {}
    for name, default in (
        (name, getattr(Rules(), name)) for name in Rules.__slots__ if name not in ("profile", "origins", "measures")
    ):
        value = options.get(f"staff_{name}")
        if value is None:
            continue
        match default:
            case timedelta():
                given[name] = timedelta(seconds=float(value))
            case frozenset():
                given[name] = frozenset(value)
            case _:
                given[name] = type(default)(value)
    rp_id = given.get("rp_id", Rules().rp_id)
    own = (f"https://{rp_id}:{port}", *((f"http://{rp_id}:{TERMINAL_PORT}",) if rp_id == "localhost" else ()))
    origins = frozenset(options.get("staff_origins", own))
    return Rules(**given, origins=origins, profile=profile, measures=measures_from(options))


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """職員. `password_initial`: set by somebody else, good for nothing but being changed."""

    staff_id: str
    office: str
    state: MemberState
    password_hash: str
    password_initial: bool
    password_until: datetime
    valid_until: datetime
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """職員証. `credential`: WebAuthn's attested credential; `sign_count`: its last counter."""

    card_id: str
    staff_id: str
    kind: CardKind
    public_key: bytes
    credential: bytes | None
    sign_count: int
    valid_until: datetime
    state: CardState


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What somebody has shown, each part examined on its own."""

    member: Member | None
    card: Card | None
    challenge: bool
    person_locked: bool
    terminal_locked: bool
    password: bool
    signature: bool


class Doubt(StrEnum):
    """Why an entrance is refused: for the record, never for whoever asked."""

    CHALLENGE = "challenge"
    TERMINAL_LOCKED = "terminal_locked"
    UNKNOWN = "unknown"
    UNVOUCHED = "unvouched"
    """Somebody, or a card, whose row this server did not write so."""
    LOCKED = "locked"
    LEFT = "left"
    ACCOUNT_EXPIRED = "account_expired"
    PASSWORD = "password"  # noqa: S105 (a word of the record)
    INITIAL_EXPIRED = "initial_expired"
    CARD = "card"
    CARD_EXPIRED = "card_expired"
    CHANGED = "changed_meanwhile"
    """Left, or another password, card or office, while the factors were examined."""


@dataclass(frozen=True, slots=True)
class Entrance:
    """Two factors of one person have been shown. `restricted`: nothing may be done but setting a new password."""

    member: Member
    card: Card
    restricted: bool


def judge_entrance(shown: Shown, now: datetime) -> Entrance | Doubt:
    """1. a challenge of ours, for this id and terminal, fresh and unused; 2. terminal and person not locked out; 3. somebody's id,
    in force, vouched for as the card is; 4. the password (SC-10: knowing); 5. the card (SC-10: having), this person's, in force.
    """
    member, card = shown.member, shown.card
    steps = (
        (shown.challenge, Doubt.CHALLENGE),
        (not shown.terminal_locked, Doubt.TERMINAL_LOCKED),
        (member is not None, Doubt.UNKNOWN),
        (member is not None and member.state is not MemberState.UNVOUCHED, Doubt.UNVOUCHED),
        (not shown.person_locked, Doubt.LOCKED),
        (member is not None and member.state is MemberState.ACTIVE, Doubt.LEFT),
        (member is not None and now < member.valid_until, Doubt.ACCOUNT_EXPIRED),
        (shown.password, Doubt.PASSWORD),
        (member is not None and not (member.password_initial and now >= member.password_until), Doubt.INITIAL_EXPIRED),
        (card is None or card.state is not CardState.UNVOUCHED, Doubt.UNVOUCHED),
        (shown.signature and card is not None and card.state is CardState.ACTIVE, Doubt.CARD),
        (card is not None and now < card.valid_until, Doubt.CARD_EXPIRED),
        (card is not None and member is not None and card.staff_id == member.staff_id, Doubt.CARD),
    )
    doubts = [doubt for right, doubt in steps if not right]
    if doubts or member is None or card is None:
        return doubts[0]
    return Entrance(member, card, restricted=member.password_initial or now >= member.password_until)


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """`token_hash`: hex SHA-256; `certificate`: SHA-256 of the terminal's, on which alone it works; `vouched`: False of a row that this server did not
    write so (staff.vouching).
    """

    token_hash: str
    staff_id: str
    card_id: str
    certificate: bytes
    opened_at: datetime
    seen_at: datetime
    until: datetime
    restricted: bool
    reason: str
    reference: str
    ended_at: datetime | None
    vouched: bool = True


def session_works(session: Session, certificate: bytes, now: datetime, idle: timedelta) -> bool:
    """Open, on its own terminal, neither idle for too long nor older than a session may become.

    One that was used last so long after now is idle too: the clock was set back, and would let it lie open for as long.
    """
    return (
        session.vouched
        and session.ended_at is None
        and session.certificate == certificate
        and now < session.until
        and abs(now - session.seen_at) < idle
    )


def plain(password: str) -> bytes:
    """The bytes of a password, the same from every keyboard (NFKC)."""
    return unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass")


def too_weak(password: str, staff_id: str) -> bool:
    """Too short, longer than anybody types, the id itself, or hardly more than one character."""
    if len(password) > LONGEST_PASSWORD:
        return True
    length = len(unicodedata.normalize("NFKC", password))
    return (
        not SHORTEST_PASSWORD <= length <= LONGEST_PASSWORD
        or staff_id in password.casefold()
        or len(set(password)) < SHORTEST_PASSWORD // 2
    )
