"""Signed versions of the permission list in a file: what set-up gives a server to begin with, and what was published so far.

The form is that of IF_SCM_90023: `{"versions": [{"head", "signature", "content"}]}`, oldest first, binary as base64.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from permission_lists.versions import SignedVersion

FILE_NAME: Final = "permission-lists.json"


class ListFileBrokenError(Exception):
    """The file is not what set-up writes."""


class WireVersion(Struct, forbid_unknown_fields=True):
    """One version as it travels."""

    head: bytes
    signature: bytes
    content: bytes

    @property
    def signed(self) -> SignedVersion:
        return SignedVersion(head=self.head, signature=self.signature, content=self.content)


class WireVersions(Struct, forbid_unknown_fields=True):
    """Several, oldest first."""

    versions: list[WireVersion]


_FILE: Final = msgspec.json.Decoder(WireVersions)


def read(path: Path) -> tuple[SignedVersion, ...]:
    """The versions in a file, none when there is no such file; not checked. Raises ListFileBrokenError, OSError."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return ()
    try:
        return tuple(one.signed for one in _FILE.decode(data).versions)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise ListFileBrokenError("the file of permission list versions is not what set-up writes") from None


def encode(versions: Sequence[SignedVersion]) -> bytes:
    return msgspec.json.encode(WireVersions([wire(one) for one in versions]))


def wire(version: SignedVersion) -> WireVersion:
    return WireVersion(head=version.head, signature=version.signature, content=version.content)
