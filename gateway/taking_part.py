"""Bringing a data folder to another set of agencies, whether its roles run or stand still (docs/adr/0080).

While they run, everything that set-up once chose stays: ports, lines between roles, options. The roles take the signed register and their own
`role.json` within a second.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

from adapters.jlis_mock import lines
from gateway import config
from gateway.administrator import administrator_dsn
from gateway.data_folder import DataFolder, FolderBusyError, held, private_folder
from gateway.key_rotation import NotTakenError, await_files, running
from gateway.launcher import Running
from gateway.setting_up import ports
from gateway.setting_up.publishing import authority_held
from gateway.setting_up.set_up import SetUp, check_clients, set_up
from gateway.topology import Topology
from transport.clock import Clock
from transport.register import signed_body
from transport.role import ROLE_FILE

_LOCK: Final = "agencies.lock"
"""In authority/: held by whoever changes who takes part."""


@contextmanager
def changing(data: DataFolder) -> Iterator[bool]:
    """Nobody else changes who takes part while the block lasts. Whether the folder stands still; else its roles run.

    Raises FolderBusyError while somebody else sets it up.
    """
    private_folder(data.authority)
    with authority_held(data, _LOCK), ExitStack() as stack:
        try:
            stack.enter_context(held(data.root))
        except FolderBusyError:
            if not at_work(data):
                raise
            yield False
        else:
            yield True


def bring_to(data: DataFolder, wanted: Topology, record: Callable[[], None], *, still: bool) -> None:
    """Schemas, logins, keys, certificates, and the register signed anew. The caller is `changing`. Raises what set-up and `record` raise.

    `record`: puts the change on record; called once, with the database at work, before any running role can take it.
    """
    check_clients(data, wanted)  # what cannot be is not put on record
    if still:
        standing = Running(data.root, roles=(), ports="kept", topology=wanted, dsn=config.read().dsn)
        try:
            standing.set_up()
            record()
        finally:
            standing.stop()
        return
    folders = [*(data.root / "roles").glob("*"), *data.clients.glob("*")]
    plan = SetUp(
        data=data,
        topology=wanted,
        ports=ports.kept(wanted, folders),
        now=Clock()(),
        options={name: _options(data, name) for name in wanted.roles},
        lines={name: place.listens for name, place in lines.places(data.lines).items()},
    )
    with administrator_dsn(data) as dsn:
        record()
        asyncio.run(set_up(plan, dsn))


def _options(data: DataFolder, role: str) -> dict[str, Any]:
    """As they are: a running role goes by them, and a change of them is for its next start."""
    found: dict[str, Any] = json.loads((data.role(role) / ROLE_FILE).read_bytes())["options"]
    return {name: value for name, value in found.items() if name != "program"}


def at_work(data: DataFolder) -> list[str]:
    """Roles whose folder somebody holds."""
    return sorted(path.parent.name for path in (data.root / "roles").glob(f"*/{ROLE_FILE}") if _is_held(path.parent))


def _is_held(folder: Path) -> bool:
    try:
        with held(folder):
            return False
    except FolderBusyError:
        return True


def not_taken(data: DataFolder) -> list[str]:
    """Roles at work that have not taken what was changed after half a minute, or do not answer: those must start again."""
    late: list[str] = []
    try:
        body = signed_body(data.register.read_bytes(), bytes.fromhex(data.register_root.read_text()))
        await_files(data, int(body["sequence"]))
    except NotTakenError as failure:
        late = failure.roles
    answering = {one.role for one in running(data)}
    return sorted({*late, *(name for name in at_work(data) if name not in answering)})
