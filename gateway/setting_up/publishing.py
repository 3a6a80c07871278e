"""Signing the register and putting it where everybody reads it. Whoever does so holds the authority, so that numbers rise one by one."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from gateway.data_folder import DataFolder, write_private
from gateway.setting_up.succession import Body
from keys.signing import Signer
from storage import durable_file
from transport.register import build, present_form, sign_register, signed_body

REGISTER_LOCK: Final = "register.lock"
LISTS_LOCK: Final = "permission-list.lock"
"""Held by whoever signs a version of the list, and by whoever changes the key that it is signed with."""


@contextmanager
def authority_held(data: DataFolder, lock: str = REGISTER_LOCK) -> Iterator[None]:
    """Nobody else signs a register (with another `lock`: what that is for) while the block lasts; set-up, and operators' commands while everything runs."""
    descriptor = os.open(data.authority / lock, os.O_RDWR | os.O_CREAT, durable_file.PRIVATE)
    with os.fdopen(descriptor) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def publish(data: DataFolder, root: Signer, change: Callable[[Body | None], Body]) -> int:
    """Sign what `change` makes of the register in force, and put it into every folder that has one. Returns its sequence number.

    `change` is given it in its present form, or None when there is none yet. Equal content keeps its number. The data folder's own copy comes first: a run that was
    killed behind it is completed by the next. Raises RegisterBrokenError when the register in force is not under this root.
    """
    with authority_held(data):
        before = _in_force(data, root)
        body = change(before)
        build(body)  # what nobody would read is not signed
        if body != before or not data.register.exists():
            write_private(data.register, sign_register(body, root))
        distribute(data)
    return int(body["sequence"])


def _in_force(data: DataFolder, root: Signer) -> Body | None:
    """In the present form, whatever its own; the newest of the roles' copies when the data folder's own is lost. Raises RegisterBrokenError."""
    found = [data.register] if data.register.exists() else _copies(data)
    bodies = [signed_body(path.read_bytes(), root.public_key) for path in found]
    read = [present_form(body) for body in bodies]
    return max(read, key=lambda body: int(body["sequence"]), default=None)


def _copies(data: DataFolder) -> list[Path]:
    return [*data.root.glob("roles/*/register.json"), *data.clients.glob("*/register.json")]


def distribute(data: DataFolder) -> None:
    """The register in force into every folder that has one."""
    signed = data.register.read_bytes()
    for path in _copies(data):
        write_private(path, signed)
