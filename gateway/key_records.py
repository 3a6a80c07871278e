"""A change of a key in the evidence log of the party that has it: which purpose, which version, the public key of a signing one. Never material.

Recorded beside the running server: the log's head moves by compare-and-set. A party without a log (resident network, business system) has no entry.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Final

from codebook.identifiers import new_sortable_id
from evidence.entry import EntryKind, encode_entry, other_entry
from gateway.administrator import database_at_work
from gateway.data_folder import DataFolder
from gateway.setting_up.key_files import LOG, PUBLIC
from gateway.topology import NETWORK, Program
from keys.ring import Keyring
from storage.backups.openings import check_recorded
from storage.committer import Commit, Committer, NewEntry, Write, commit_step
from storage.committing import commit
from storage.database import Database, as_away
from storage.key_changes import Change, destroyed, rotated
from storage.key_store import KeyStoreError
from storage.tenancy import in_use
from transport import role as role_file
from transport.role import RoleConfig

CHANGED: Final = commit_step("keys", "key.changed")
LOGS: Final[Mapping[Program, str]] = {
    Program.LINKAGE: "linkage", Program.INTERMEDIATE: "intermediate", Program.NETWORK: "core",
}  # fmt: skip
"""Programs that have an evidence log, and what it is called."""
_NOTHING: Final[Mapping[str, str | int]] = MappingProxyType({})


def origin_of(program: Program, agency: str) -> str:
    """Under which the register names the key of a party's log, without the year; of a program without a log the key that signs its backups."""
    return f"sekisho.example/{agency}/{LOGS.get(program, program.value)}"


def record(
    config: RoleConfig,
    agency: str,
    ring: Keyring,
    change: Change,
    purpose: str,
    version: int,
    public: bytes | None = None,
    actor: str | None = None,
    said: Mapping[str, str | int] = _NOTHING,
) -> None:
    """One entry, of a rotation one however often it is recorded. `public`: of a key that is not in the ring; `actor`, `said`: whose act it was, and what
    else is to be known of it. Raises StorageUnavailableError.

    An agency that has never been used has no log yet, and nothing in any.
    """
    program = _program(config)
    if program in LOGS:
        facts: dict[str, str | int] = {"purpose": purpose, "version": version, **said}
        if public is None and purpose in PUBLIC[program] and change == "key.rotated":
            public = ring.signer(purpose, version=version).public_key
        if public is not None:
            facts["key"] = hashlib.sha256(public).hexdigest()
        asyncio.run(_append(config, agency, origin_of(program, agency), ring, EntryKind(change), facts, actor))


def core_of(data: DataFolder) -> RoleConfig | None:
    """The core, where it is one of this folder's roles. Raises ValueError."""
    configs = (role_file.load(path.parent) for path in sorted((data.root / "roles").glob("*/role.json")))
    return next((one for one in configs if _program(one) is Program.NETWORK), None)


def record_elsewhere(data: DataFolder, kind: EntryKind, agency: str, facts: Mapping[str, str | int]) -> None:
    """What an agency elsewhere is about to be trusted by, or no more, in the core's log; also while the folder stands still.

    Raises StorageUnavailableError, EmbeddedPostgresError, KeyStoreError, OSError, ValueError: then the caller may not do it.
    """
    with database_at_work(data):
        record_trust(data, kind, None, agency, {"agency": agency, **facts})


def record_trust(
    data: DataFolder, kind: EntryKind, path: Path | None, agency: str, facts: Mapping[str, str | int]
) -> None:
    """In the log of the role whose folder the certificate lies in, else of its agency's intermediate server, else of the core.

    The next of them when a ring does not open. Nothing where none of them is here. Raises StorageUnavailableError, KeyStoreError, OSError, ValueError.
    """
    configs = [role_file.load(found.parent) for found in sorted((data.root / "roles").glob("*/role.json"))]
    own = [(config, next(iter(config.hosted))) for config in configs if path and config.folder in path.parents]
    logs = [
        *((config, agency if agency in config.hosted else first) for config, first in own),
        *(
            (config, agency)
            for config in configs
            if _program(config) is Program.INTERMEDIATE and agency in config.hosted
        ),
        *((config, NETWORK) for config in configs if _program(config) is Program.NETWORK),
    ]
    shut: KeyStoreError | None = None
    for config, whose in logs:
        if _program(config) not in LOGS:
            continue
        try:
            ring = config.open_keys(whose).ring
        except KeyStoreError as kept:  # two people keep it: the core's log has it then
            shut = kept
            continue
        origin = origin_of(_program(config), whose)
        asyncio.run(_append(config, whose, origin, ring, kind, facts))
        return
    if shut is not None:
        raise shut


def _program(config: RoleConfig) -> Program:
    return Program(config.options["program"])


def check_log(config: RoleConfig, agency: str) -> None:
    """A change could be recorded now: looked at before anything is begun that has to be. Raises StorageUnavailableError."""
    if _program(config) in LOGS:
        asyncio.run(_check(config, agency))


async def _check(config: RoleConfig, agency: str) -> None:
    database = await Database.open(config.dsn, connections=1)
    try:
        await in_use(database, [config.hosted[agency].tenant])
    finally:
        await database.close()


async def _append(
    config: RoleConfig,
    agency: str,
    origin: str,
    ring: Keyring,
    kind: EntryKind,
    facts: Mapping[str, str | int],
    actor: str | None = None,
) -> None:
    tenant = config.hosted[agency].tenant
    database = await Database.open(config.dsn, connections=2)
    try:
        with as_away("the change of a key could not be recorded"):
            if agency != NETWORK and tenant not in await in_use(database, [tenant]):
                return
            committer = Committer(database, tenant, origin=origin, signer=partial(ring.signer, LOG), clock=config.clock)
            await committer.load()
            await check_recorded(database, tenant)
            async with asyncio.TaskGroup() as group:
                working = group.create_task(commit([committer]))
                try:
                    await committer.apply(_commit(config, kind, facts, actor))
                finally:
                    working.cancel()
    finally:
        await database.close()


def _commit(config: RoleConfig, kind: EntryKind, facts: Mapping[str, str | int], actor: str | None) -> Commit:
    now = config.clock()
    entry_id = new_sortable_id("E", int(now.timestamp() * 1000), secrets.token_bytes(10))
    body = other_entry(id=entry_id, at=now, kind=kind, reason=None, actor=actor, facts=facts)
    entry = NewEntry(
        entry_id=entry_id, at=now, kind=kind.value, inquiry_number=None, body=encode_entry(body), personal=None
    )
    guard: Write | None = None
    follow: tuple[Write, ...] = ()
    if kind is EntryKind.KEY_ROTATED:
        guard = rotated(str(facts["purpose"]), int(facts["version"]), now)
    if kind is EntryKind.KEY_DESTROYED:
        follow = (destroyed(str(facts["purpose"]), int(facts["version"]), now),)
    return Commit(step=CHANGED, guard=guard, follow=follow, entries=(entry,))
