"""Signing the register and putting it where everybody reads it. Whoever does so holds the authority, so that numbers rise one by one."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import reduce
from pathlib import Path
from typing import Final

from gateway.data_folder import ISSUED, DataFolder, write_private
from gateway.setting_up.authority import Authority, fingerprint_of, open_authority
from gateway.setting_up.issued import REVOKED, listed
from gateway.setting_up.register_roots import drop_those_over
from gateway.setting_up.succession import Body, with_root, without_certificate
from storage import durable_file
from transport.register import RegisterBrokenError, build, sign_register, signed_body
from transport.register_forms import present_form

REGISTER_LOCK: Final = "register.lock"
ROOT_LOCK: Final = "register-root.lock"
"""Held by whoever replaces the key that the register is signed under."""
CA_LOCK: Final = "ca.lock"
"""Held by whoever replaces the CA."""
LISTS_LOCK: Final = "permission-list.lock"
"""Held by whoever signs a version of the list, and by whoever changes the key that it is signed with."""


@contextmanager
def authority_held(data: DataFolder, lock: str = REGISTER_LOCK) -> Iterator[None]:
    """Nobody else signs a register (with another `lock`: what that is for) while the block lasts; set-up, and operators' commands while everything runs."""
    descriptor = os.open(data.authority / lock, os.O_RDWR | os.O_CREAT, durable_file.PRIVATE)
    with os.fdopen(descriptor) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def publish(data: DataFolder, authority: Authority, change: Callable[[Body | None], Body]) -> int:
    """Sign what `change` makes of the register in force, and put it into every folder that has one. Returns its sequence number.

    `change` is given it in its present form, or None when there is none yet. Equal content keeps its number. The data folder's own copy comes first: a run that was
    killed behind it is completed by the next. Raises RegisterBrokenError when the register in force is not under the authority's root.
    A certificate that was revoked is in none, also when the run that revoked it was killed before it came here.
    Roots of before sign too, the oldest first for whoever reads one signature alone, until their time is over; the body says who comes after them.
    """
    with authority_held(data):
        before = in_force(data, authority)
        body = reduce(without_certificate, _revoked(data), change(before))
        if authority.roots_before or body.get("root"):
            body = with_root(body, authority.root.public_key.hex())
        build(body)  # what nobody would read is not signed
        if body != before or not data.register.exists():
            write_private(data.register, sign_register(body, *authority.roots_before, authority.root))
        distribute(data)
        distribute_trust(data, open_authority(data.authority, authority.now))  # which may have changed meanwhile
        drop_those_over(data.authority, authority.now)
    return int(body["sequence"])


def in_force(data: DataFolder, authority: Authority) -> Body | None:
    """In the present form, whatever its own; the newest of the roles' copies when the data folder's own is lost. Raises RegisterBrokenError.

    Under the root of now, or under one of before when the root was replaced a moment ago.
    """
    found = [data.register] if data.register.exists() else _copies(data)
    read = [present_form(_signed(path.read_bytes(), authority)) for path in found]
    return max(read, key=lambda body: int(body["sequence"]), default=None)


def _revoked(data: DataFolder) -> list[str]:
    folders = data.clients.glob(f"*/{ISSUED}/{REVOKED}")
    return [fingerprint_of(certificate) for folder in folders for _, _, certificate in listed(folder)]


def _signed(signed: bytes, authority: Authority) -> Body:
    *others, last = (one.public_key for one in (authority.root, *authority.roots_before))
    for root in others:
        with suppress(RegisterBrokenError):
            return signed_body(signed, root)
    return signed_body(signed, last)


def _copies(data: DataFolder) -> list[Path]:
    return [*data.root.glob("roles/*/register.json"), *data.clients.glob("*/register.json")]


def distribute(data: DataFolder) -> None:
    """The register in force into every folder that has one."""
    signed = data.register.read_bytes()
    for path in _copies(data):
        write_private(path, signed)


def distribute_trust(data: DataFolder, authority: Authority) -> None:
    """Whom everybody of this folder trusts, into every folder that says it."""
    for place in ("roles/*/tls", "clients/*/tls", "clients/*"):
        for path in data.root.glob(f"{place}/ca.pem"):
            authority.write_ca(path.parent)
