"""破棄: a version of a key goes when two of the agency's staff have decided so, each with both factors for exactly that (SC-20, SC-16; docs/adr/0073).

Of the agency's own ring this server destroys it, on record before it goes. For another server of the agency it signs an order (`evidence.orders`), which the
command on that machine asks for. asked → approved or rejected; whoever asked may reject it too.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import Annotated, Any, Final

import msgspec
from asyncpg import Record
from msgspec import Meta

from evidence import orders
from evidence.canonical import timestamp
from evidence.entry import EntryKind
from evidence.orders import OrderKind
from gateway.intermediate_server.agency import HostedAgency
from gateway.intermediate_server.destruction import needs
from gateway.intermediate_server.staff.entering import Proof, signed_by_card
from gateway.intermediate_server.staff.operating import Acting, First
from gateway.intermediate_server.staff.rights import Function
from gateway.intermediate_server.staff.second_person import prove_for
from keys.binding import bind
from keys.ring import State
from storage import sql
from storage.committer import Commit, NewEntry, Statement, Write, commit_step
from storage.database import as_away
from storage.key_changes import destroy, destroyed, finish_destructions, set_aside
from storage.key_store import KeyStoreError
from transport.problem import ProblemError
from transport.renewal import KEY_EVENTS

DESTRUCTION_PREFIX: Final = "D"
_SQL: Final = sql.load("gateway.intermediate_server.destruction")
_ASK: Final = Statement("ask_destruction", _SQL["ask_destruction"])
_DECIDE: Final = Statement("decide_destruction", _SQL["decide_destruction"])
_ASKED_FOR: Final = ("destruction_id", "server", "purpose", "version", "cause", "content_hash")
_ASKED: Final = commit_step("intermediate", "key.destruction_asked")
_DECIDED: Final = commit_step("intermediate", "key.destruction_decided")

DestructionId = Annotated[str, Meta(pattern=r"^D[0-7][0-9A-HJKMNP-TV-Z]{25}\Z")]
KeyPurpose = Annotated[str, Meta(pattern=r"^(?!.*[0-9]{10})[a-z][0-9A-Za-z-]{0,39}(/[0-9A-Za-z-]{1,40}){0,2}\Z")]
"""Nothing as long as a number of a person, since it is recorded."""


class Server(StrEnum):
    """Whose ring it is: one of the agency's servers, by its program."""

    INTERMEDIATE = "intermediate"
    LINKAGE = "linkage"
    SKY2 = "sky2"
    PORTAL = "portal"


class Cause(StrEnum):
    """Why a key goes: a newer version has replaced it; somebody else may know it; what lies under it is to be erased; the agency ends its use."""

    REPLACED = "replaced"
    DISCLOSED = "disclosed"
    ERASURE = "erasure"
    USE_ENDED = "use_ended"


class AskItem(msgspec.Struct, forbid_unknown_fields=True):
    """Item of IF_SYM_90096. `destruction_id`: drawn by the caller, so that asking again asks for the same; the proof is for `destroy_key/<id>/<content hash>`."""

    destruction_id: DestructionId
    server: Server
    purpose: KeyPurpose
    version: Annotated[int, Meta(ge=1, le=2**31 - 1)]
    cause: Cause
    proof: Proof


class DecideItem(msgspec.Struct, forbid_unknown_fields=True):
    """Item of IF_SYM_90097. The proof is for `approve_destruction/<id>/<content hash>`, or `reject_destruction/…`."""

    destruction_id: DestructionId
    content_hash: str
    approve: bool
    proof: Proof


class ListItem(msgspec.Struct, forbid_unknown_fields=True):
    """Item of IF_SYM_90095."""


ASK_ITEM = msgspec.json.Decoder(AskItem)
DECIDE_ITEM = msgspec.json.Decoder(DecideItem)
LIST_ITEM = msgspec.json.Decoder(ListItem)


def content_hash(agency: str, destruction_id: str, server: str, purpose: str, version: int, cause: str) -> str:
    """Hex SHA-256 of what both people show their factors for."""
    return sha256(bind(agency, destruction_id, server, purpose, version, cause)).hexdigest()


async def listed(acting: Acting) -> dict[str, Any]:
    """IF_SYM_90095: the versions of the agency's own ring, and what was asked and decided, the newest first. Never material."""
    agency = acting.desk.agency
    ring = agency.keys.ring
    keys = [
        {"purpose": purpose, "version": version, "state": state.value}
        for purpose in ring.purposes()
        for version, state in ring.versions(purpose).items()
    ]
    async with agency.database.inside(agency.tenant) as connection:
        rows = await connection.fetch(_SQL["destructions"])
    return {"keys": keys, "destructions": [_shown(agency, row) for row in rows]}


def _shown(agency: HostedAgency, row: Record) -> dict[str, Any]:
    """`done`: what the agency's own ring says now; of another server's null, its own log says it."""
    said = (*_ASKED_FOR, "state", "asked_by", "decided_by")
    times = {name: row[name] and timestamp(row[name]) for name in ("asked_at", "decided_at")}
    own = row["server"] == Server.INTERMEDIATE
    return {name: row[name] for name in said} | times | {"done": _gone(agency, row) if own else None}


def _gone(agency: HostedAgency, row: Record) -> bool:
    ring = agency.keys.ring
    known = ring.versions(row["purpose"]) if row["purpose"] in ring.purposes() else {}
    return known.get(row["version"], State.DESTROYED) is State.DESTROYED


async def ask(acting: Acting, item: AskItem, now: datetime) -> dict[str, Any]:
    """IF_SYM_90096: nothing is destroyed yet. Raises ProblemError 401, 403, 404, 409, 503.

    1. of the own ring: it may be destroyed; 2. both factors anew, for exactly this; 3. on record.
    """
    agency = acting.desk.agency
    # 1
    if item.server is Server.INTERMEDIATE:
        async with agency.destroying:
            await _finish(agency)
            await needs.check(agency, item.purpose, item.version, now)
    # 2
    what = (item.destruction_id, item.server.value, item.purpose, item.version, item.cause.value)
    digest = content_hash(agency.id, *what)
    await prove_for(acting, f"destroy_key/{item.destruction_id}/{digest}", item.proof, now)
    # 3
    row = (*what, digest, acting.staff_id, acting.session.card_id, now)
    said = {name: getattr(item, name) for name in ("destruction_id", "purpose", "version")}
    said |= {"server": item.server.value, "cause": item.cause.value, "content_hash": digest}
    entry = _entry(acting, EntryKind.KEY_DESTRUCTION, "asked", said, item.proof, now)
    await acting.commit(Commit(step=_ASKED, guard=Write(_ASK, row), entries=(entry,)))
    found = await _one(agency, item.destruction_id)
    if (found["content_hash"], found["asked_by"]) != (digest, acting.staff_id):
        raise ProblemError(409, "destruction_id_taken", "Another destruction has this id; draw a new one.")
    return _shown(agency, found)


async def decide(acting: Acting, item: DecideItem, now: datetime) -> dict[str, Any]:
    """IF_SYM_90097: approve or reject exactly what was asked. Raises ProblemError 401, 403, 404, 409, 503.

    1. it is open, and the content is what was seen; 2. an approval is another person's with another card; 3. both factors anew, for exactly this;
    4. it is decided, under the right of whoever asked too, on record with both people; of the own ring the version goes (`_destroy`); 5. for another server
    the order is signed. Whoever has approved may call again, without anything new on record: for the same order, or if the version did not go.
    """
    agency = acting.desk.agency
    row = await _one(agency, item.destruction_id)
    # 1
    if item.content_hash != row["content_hash"]:
        raise ProblemError(409, "content_changed", "This is not what was asked for; list the destructions again.")
    again = item.approve and (row["state"], row["decided_by"]) == ("approved", acting.staff_id)
    if row["state"] != "asked" and not again:
        raise _decided_already()
    # 2
    own = acting.staff_id == row["asked_by"] or acting.session.card_id == row["asked_card"]
    if item.approve and not again and own:
        raise ProblemError(403, "second_person_needed", "Another person, with another card, must approve this.")
    # 3
    event = "approve_destruction" if item.approve else "reject_destruction"
    await prove_for(acting, f"{event}/{item.destruction_id}/{item.content_hash}", item.proof, now)
    # 4
    here = item.approve and row["server"] == Server.INTERMEDIATE
    if here:
        await _destroy(acting, row, item, now)
    elif not again:
        await _record(acting, row, item, now)
    row = await _one(agency, item.destruction_id)
    # 5
    order = {"order": _order(agency, row)} if item.approve and not here else {}
    return _shown(agency, row) | order


async def _destroy(acting: Acting, row: Record, item: DecideItem, now: datetime) -> None:
    """1. what was begun before is finished; 2. it may still be destroyed; 3. set aside; 4. on record, or it opens again; 5. it goes. Raises ProblemError
    401, 403, 404, 409, 503.
    """
    agency, what = acting.desk.agency, (row["purpose"], row["version"])
    async with agency.destroying:
        # 1
        await _finish(agency)
        if row["state"] == "approved":
            if not _gone(agency, row):
                raise ProblemError(
                    409, "key_not_as_recorded", "This version is on record as destroyed and is there again; ask anew."
                )
            return
        # 2
        await needs.check(agency, *what, now)
        with _writing_keys():
            # 3
            set_aside(agency.keys, *what)
            # 4
            try:
                await _record(acting, row, item, now)
            except ProblemError:
                await _finish(agency)
                raise
            # 5
            destroy(agency.keys, *what)
    KEY_EVENTS.labels("destroyed").inc()


async def _record(acting: Acting, row: Record, item: DecideItem, now: datetime) -> None:
    """The decision and its entry. Raises ProblemError 401, 403, 409, StorageUnavailableError."""
    first = First(staff_id=row["asked_by"], function=Function.KEYS_DESTROY) if item.approve else None
    if not await acting.commit(_decision(acting, row, item, now), first=first):
        raise _decided_already()


def _decision(acting: Acting, row: Record, item: DecideItem, now: datetime) -> Commit:
    """The decision and its record; of the own ring the record that this version is destroyed."""
    state = "approved" if item.approve else "rejected"
    decided = (item.destruction_id, item.content_hash, state, acting.staff_id, acting.session.card_id, now)
    said = {name: row[name] for name in (*_ASKED_FOR, "asked_by", "asked_card")}
    own = item.approve and row["server"] == Server.INTERMEDIATE
    kind = EntryKind.KEY_DESTROYED if own else EntryKind.KEY_DESTRUCTION
    event = "destroyed" if own else "ordered" if item.approve else "rejected"
    follow = (destroyed(row["purpose"], row["version"], now),) if own else ()
    entry = _entry(acting, kind, event, said, item.proof, now)
    return Commit(step=_DECIDED, guard=Write(_DECIDE, decided), follow=follow, entries=(entry,))


def _entry(acting: Acting, kind: EntryKind, event: str, said: dict[str, Any], proof: Proof, now: datetime) -> NewEntry:
    return acting.entry(
        now, kind, Function.KEYS_DESTROY, event=event, card=acting.session.card_id, **said, **signed_by_card(proof)
    )


def _order(agency: HostedAgency, row: Record) -> str:
    """Good from the decision on: signed again it is the same order, and lives no longer."""
    return orders.sign(
        OrderKind.KEY_DESTRUCTION,
        order_id=row["destruction_id"],
        agency=agency.id,
        server=row["server"],
        people=(row["asked_by"], row["decided_by"]),
        facts={name: row[name] for name in ("purpose", "version", "cause")},
        signer=agency.signer,
        now=row["decided_at"],
    )


async def _finish(agency: HostedAgency) -> None:
    """What was set aside before, and left so by a failure. Raises ProblemError 503, StorageUnavailableError."""
    with _writing_keys():
        gone = await finish_destructions(agency.database, agency.tenant, agency.keys)
    KEY_EVENTS.labels("destroyed").inc(len(gone))


@contextmanager
def _writing_keys() -> Iterator[None]:
    """Raises ProblemError 503: what was set aside and is on record goes at the next call or start."""
    try:
        yield
    except (KeyStoreError, OSError):
        raise ProblemError(
            503, "key_file_not_written", "The key file cannot be written now; see to its disk, and try again."
        ) from None


async def _one(agency: HostedAgency, destruction_id: str) -> Record:
    """Raises ProblemError 404, StorageUnavailableError."""
    with as_away("the destructions of keys could not be read"):
        async with agency.database.inside(agency.tenant) as connection:
            found = await connection.fetchrow(_SQL["destruction"], destruction_id)
    if found is None:
        raise ProblemError(404, "destruction_unknown", "There is no destruction of that id; list them again.")
    return found


def _decided_already() -> ProblemError:
    return ProblemError(409, "decided_already", "Somebody has decided this already; list the destructions again.")
