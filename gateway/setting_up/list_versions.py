"""The first versions of the permission list: signed once by the list's publisher, given to every server that decides by them.

Later versions are published to the core (`sekisho lists publish`) and fetched from there; set-up never signs over them.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from gateway.data_folder import write_private
from keys.signing import Signer
from permission_lists.versions import Content, Head, SignedVersion, content_to_sign, read_head, sign
from storage import list_files
from storage.reference_data import ShippedVersion, read_shipped_versions


def write_lists(kept: Path, publisher: Signer, folders: Iterable[Path]) -> tuple[Head, ...]:
    """Sign the shipped versions if none were, keep them in `kept`, and put them into each folder. Returns their heads, oldest first.

    Raises ListFileBrokenError when `kept` was damaged: a list that was published is not made up anew.
    """
    versions = list_files.read(kept)
    if not versions:
        versions = sign_shipped(publisher)
        write_private(kept, list_files.encode(versions))
    for folder in folders:
        write_private(folder / list_files.FILE_NAME, list_files.encode(versions))
    return tuple(head for head in (read_head(one.head) for one in versions) if head is not None)


def named(head: Head) -> dict[str, Any]:
    """A version as the register names it (docs/adr/0071)."""
    return {
        "number": head.number,
        "content_digest": head.content_digest,
        "valid_from": head.valid_from.isoformat(),
    }


def sign_shipped(publisher: Signer) -> tuple[SignedVersion, ...]:
    """The shipped versions, oldest first."""
    signed: list[SignedVersion] = []
    supersedes: str | None = None
    for shipped, content in _shipped():
        signed.append(
            sign(content, number=shipped.number, valid_from=shipped.valid_from, supersedes=supersedes, signer=publisher)
        )
        supersedes = content.digest
    return tuple(signed)


@cache
def _shipped() -> tuple[tuple[ShippedVersion, Content], ...]:
    """Read once per process: it takes about a second."""
    return tuple(
        (shipped, content_to_sign([yaml.load(text, Loader=yaml.CSafeLoader) for text in shipped.texts]))
        for shipped in read_shipped_versions()
    )
