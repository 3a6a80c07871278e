"""Clients are made, given a second secret, suspended, resumed, renewed and removed: each act is one entry of the log, with the fact in one commit.

Who may: a client with the scope `clients:administer`, for the others of its agency; and the operator, on the data folder (`sekisho clients`).
Only the operator makes a client that may administer: an administrator cannot multiply.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from codebook.identifiers import new_sortable_id
from evidence.canonical import timestamp
from evidence.entry import EntryKind, encode_entry, other_entry
from gateway.api.clients import Client, ClientFormError, ClientState, ClientStore, check_form, new_secret
from gateway.api.grants import GRANTS
from storage import sql
from storage.committer import Commit, Committer, Lost, NewEntry, Statement, Write, commit_step

ADMINISTERED: Final = commit_step("linkage", "client.administered")
OPERATOR: Final = "operator"
RESOURCE: Final = ("clients", "administer")
MOST_SECRETS: Final = 2
_SQL = sql.load("gateway.api")
_ADD: Final = Statement("add_client", _SQL["add_client"])
_ADD_SECRET: Final = Statement("add_secret", _SQL["add_secret"])
_END_SECRET: Final = Statement("end_one_secret", _SQL["end_one_secret"])
_KEEP_ENDED: Final = Statement("keep_ended", _SQL["keep_ended"])
_SUSPEND: Final = Statement("suspend_client", _SQL["suspend_client"])
_RESUME: Final = Statement("resume_client", _SQL["resume_client"])
_RENEW: Final = Statement("renew_client", _SQL["renew_client"])
_REMOVE: Final = Statement("remove_client", _SQL["remove_client"])
_DROP_SECRET: Final = Statement("drop_secret", _SQL["drop_secret"])


class Act(StrEnum):
    ADD = "add"
    ROTATE = "rotate"
    END_SECRET = "end_secret"  # noqa: S105 (an act)
    SUSPEND = "suspend"
    RESUME = "resume"
    RENEW = "renew"
    REMOVE = "remove"


class No(StrEnum):
    """Why an act is not done; nothing was changed."""

    MALFORMED = "client_malformed"
    EXISTS = "client_exists"
    UNKNOWN = "client_unknown"
    OWN = "own_client"
    NOT_GRANTABLE = "scope_not_grantable"
    SCOPE_UNKNOWN = "scope_unknown"
    SECRETS = "two_secrets_valid"
    SECRET_UNKNOWN = "secret_unknown"  # noqa: S105 (a reason)
    LAST_SECRET = "last_secret"  # noqa: S105 (a reason)
    NO_SECRET = "no_secret"  # noqa: S105 (a reason)
    SECRET_ENDED = "secret_ended"  # noqa: S105 (a reason)
    STATE = "client_state_differs"
    CHANGED_MEANWHILE = "client_changed_meanwhile"


STATES: Final[Mapping[Act, frozenset[ClientState]]] = {
    Act.SUSPEND: frozenset({ClientState.ACTIVE}),
    Act.RESUME: frozenset({ClientState.SUSPENDED}),
}
"""In which states an act is lawful, where not in all but `removed`, which is the end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One act on one client. `secret_id` is for `end_secret`, `expires_at` for `add` and `renew` (None: never), the rest for `add`."""

    act: Act
    client_id: str
    staff: str
    system: str = ""
    scopes: frozenset[str] = frozenset()
    individual_number: bool = False
    expires_at: datetime | None = None
    secret_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class By:
    """Who orders: a client, or the operator on the data folder. `identity`: of a call that may come again, "" for one that will not."""

    client_id: str | None
    identity: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What administration of one agency's clients needs."""

    clients: ClientStore
    committer: Committer


def _secret_id(by: By) -> str:
    """The same call again makes the same secret, not a second one."""
    return hashlib.sha256(by.identity.encode()).hexdigest()[:16] if by.identity else secrets.token_hex(8)


def _may_not_make(order: Order, by: By, known: Client | None) -> No | None:
    try:
        check_form(order.client_id, order.system, order.scopes)
    except ClientFormError:
        return No.MALFORMED
    if not {scope.partition(":")[2] for scope in order.scopes} <= set(GRANTS):
        return No.SCOPE_UNKNOWN
    if by.client_id is not None and f"{order.system}:{':'.join(RESOURCE)}" in order.scopes:
        return No.NOT_GRANTABLE
    return No.EXISTS if known is not None else None


def _may_not_touch(by: By, known: Client) -> No | None:
    """Administrators are the operator's business."""
    if known.client_id == by.client_id:
        return No.OWN
    administers = f"{known.system}:{':'.join(RESOURCE)}" in known.scopes
    return No.NOT_GRANTABLE if by.client_id is not None and administers else None


def _hindrance(  # noqa: PLR0911 (one return for each rule)
    order: Order, by: By, known: Client | None
) -> No | None:
    """Why not, by what is known now; the statements' own conditions decide in the end."""
    if order.act is Act.ADD:
        return _may_not_make(order, by, known)
    if known is None or known.state is ClientState.REMOVED:
        return No.UNKNOWN
    if (no := _may_not_touch(by, known)) is not None:
        return no
    if known.state not in STATES.get(order.act, {known.state}):
        return No.STATE
    held = {one.id for one in known.secrets}
    if order.act is Act.RESUME and not held:
        return No.NO_SECRET
    if order.act is Act.ROTATE and len(held) >= MOST_SECRETS:
        return No.SECRETS
    if order.act is Act.END_SECRET and (order.secret_id not in held or len(held) == 1):
        return No.LAST_SECRET if order.secret_id in held else No.SECRET_UNKNOWN
    return None


def _writes(  # noqa: PLR0911 (one return for each act)
    order: Order, sealed: bytes, secret_id: str, held: Sequence[str], now: datetime
) -> tuple[Write, tuple[Write, ...]]:
    """The guard of an act, and what follows it. `held`: ids of the client's secrets."""
    client = order.client_id
    secret = Write(_ADD_SECRET, (client, secret_id, sealed, now))
    match order.act:
        case Act.ADD:
            made = (client, order.system, " ".join(sorted(order.scopes)), order.individual_number, order.expires_at)
            return Write(_ADD, made), (secret,)
        case Act.ROTATE:
            return secret, ()
        case Act.END_SECRET:
            row = (client, order.secret_id)
            return Write(_END_SECRET, row), (Write(_KEEP_ENDED, row),)
        case Act.SUSPEND:
            return Write(_SUSPEND, (client, now)), ()
        case Act.RESUME:
            return Write(_RESUME, (client,)), ()
        case Act.RENEW:
            return Write(_RENEW, (client, order.expires_at)), ()
        case Act.REMOVE:
            return Write(_REMOVE, (client, now)), tuple(Write(_DROP_SECRET, (one, client)) for one in held)


def _entry(order: Order, by: By, secret_id: str, now: datetime) -> NewEntry:
    facts: dict[str, Any] = {"act": order.act.value, "client": order.client_id, "staff": order.staff}
    if order.act is Act.ADD:
        facts |= {
            "system": order.system,
            "scopes": sorted(order.scopes),
            "individual_number": order.individual_number,
        }
    if order.act in {Act.ADD, Act.RENEW}:
        facts["expires_at"] = timestamp(order.expires_at) if order.expires_at else None
    if order.act in {Act.ADD, Act.ROTATE, Act.END_SECRET}:
        facts["secret_id"] = secret_id
    kind, entry_id = (
        EntryKind.CLIENT_ADMINISTERED,
        new_sortable_id("E", int(now.timestamp() * 1000), secrets.token_bytes(10)),
    )
    entry = other_entry(id=entry_id, at=now, kind=kind, actor=by.client_id or OPERATOR, facts=facts)
    return NewEntry(entry_id=entry_id, at=now, kind=kind, inquiry_number=None, body=encode_entry(entry), personal=None)


async def administer(desk: Desk, order: Order, by: By, now: datetime) -> Mapping[str, Any] | No:
    """Do it and record it. Returns what the client is now, with its new secret after `add` and `rotate`.

    The same call again (`By.identity`) that made a secret gets that secret, and nothing once it has been ended. Raises StorageUnavailableError.
    """
    secret_id = order.secret_id if order.act is Act.END_SECRET else _secret_id(by)
    known = await desk.clients.find(order.client_id)
    makes = order.act in {Act.ADD, Act.ROTATE}
    if makes and known is not None and by.identity and any(one.id == secret_id for one in known.secrets):
        return shown(known, secret_id)
    if makes and by.identity and await desk.clients.has_ended(order.client_id, secret_id):
        return No.SECRET_ENDED
    hindrance = _hindrance(order, by, known)
    if hindrance is not None:
        return hindrance
    sealed = desk.clients.seal(order.client_id, new_secret()) if makes else b""
    held = [one.id for one in known.secrets] if known is not None else []
    guard, follow = _writes(order, sealed, secret_id, held, now)
    commit = Commit(step=ADMINISTERED, guard=guard, follow=follow, entries=(_entry(order, by, secret_id, now),))
    if isinstance(await desk.committer.apply(commit), Lost):
        return No.CHANGED_MEANWHILE
    after = await desk.clients.find(order.client_id)
    return No.CHANGED_MEANWHILE if after is None else shown(after, secret_id if makes else None)


def shown(client: Client, with_secret: str | None = None) -> dict[str, Any]:
    """A client as administrators see it; its secrets by id and date, and one of them whole when it has just been made."""
    found: dict[str, Any] = {
        "client_id": client.client_id,
        "system": client.system,
        "scopes": sorted(client.scopes),
        "individual_number": client.may_use_individual_number,
        "state": client.state.value,
        "expires_at": timestamp(client.expires_at) if client.expires_at else None,
        "secrets": [{"secret_id": one.id, "made_at": timestamp(one.made_at)} for one in client.secrets],
    }
    for one in client.secrets:
        if one.id == with_secret:
            # reveal: to whoever had it made, once
            found["client_secret"] = one.value.reveal().decode()
    return found
