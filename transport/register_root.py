"""Which key the register's owner signs by now, for whoever was told an earlier one: a register under both has said so (docs/adr/0074).

Beside the register lies what was followed, `register.root`: earlier key → later key, both hex. From then on the earlier one counts for nothing here.
"""

from __future__ import annotations

import json
from pathlib import Path

from storage import durable_file
from transport.register import Register, RegisterBrokenError, signed_body


def root_now(register: Path, told: bytes) -> bytes:
    """The root that counts at this place. `told`: of the configuration."""
    known, root = _followed(register), told
    while (later := known.pop(root, None)) is not None:
        root = later
    return root


def check_successor(found: Register, data: bytes, root: bytes) -> bytes:
    """The root that a register under `root` says comes from now on, which is `root` itself when it says none.

    Raises RegisterBrokenError when that key has not signed it too.
    """
    if found.root is None or found.root.key == root:
        return root
    signed_body(data, found.root.key)
    return found.root.key


def follow(register: Path, root: bytes, successor: bytes) -> None:
    """Durable when it returns. Raises OSError."""
    known = _followed(register) | {root: successor}
    stored = {earlier.hex(): later.hex() for earlier, later in known.items()}
    durable_file.write(_beside(register), json.dumps(stored, indent=1).encode())


def _followed(register: Path) -> dict[bytes, bytes]:
    """Raises RegisterBrokenError for a file that is none."""
    try:
        stored = json.loads(_beside(register).read_bytes())
        return {bytes.fromhex(earlier): bytes.fromhex(later) for earlier, later in stored.items()}
    except FileNotFoundError:
        return {}
    except (ValueError, AttributeError, TypeError):
        raise RegisterBrokenError("what was followed of the register's roots cannot be read") from None


def _beside(register: Path) -> Path:
    return register.with_suffix(".root")
