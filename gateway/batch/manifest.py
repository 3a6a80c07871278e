"""The manifest beside a spool file: checked before a line of the file is read."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Final

import msgspec

from transport.wire import JsonBrokenError, decode_typed

ENCODINGS: Final = {"utf-8": "utf-8", "cp932": "cp932"}
SUFFIX: Final = ".manifest.json"
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,150}")
"""What a data file may be called."""
_BLOCK: Final = 1 << 20


CSV: Final = "csv"
FIXED_WIDTH: Final = "fixed_width"


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`count`: data rows (a CSV header is not one); `sha256`: hex, of the whole file; `encoding`: utf-8 or cp932.

    `form`: csv, or fixed_width, which has no header; channels of another form do not look at it. `as_of`: YYYY-MM-DD, the day that the data are of,
    when it is not the day of the load.
    """

    file: str
    kind: str
    count: int
    sha256: str
    encoding: str
    form: str = CSV
    as_of: str = ""

    @property
    def day(self) -> date | None:
        """The day of `as_of`, which was checked when the manifest was read."""
        return date.fromisoformat(self.as_of) if self.as_of else None


@dataclass(frozen=True, slots=True, kw_only=True)
class BadManifest:
    """Why a file is not taken: a reason code, the field of the manifest, and counts that say more."""

    reason: str
    where: str = ""
    facts: Mapping[str, int] = field(default_factory=dict)


_MANIFEST = msgspec.json.Decoder(Manifest)


def read_manifest(path: Path, *, kind: str) -> Manifest | BadManifest:
    """Parse and check what can be checked without the file."""
    if not path.is_file():
        return BadManifest(reason="manifest_malformed")
    try:
        manifest = decode_typed(path.read_bytes(), _MANIFEST)
    except OSError:
        return BadManifest(reason="manifest_malformed")
    except JsonBrokenError as broken:
        return BadManifest(reason="manifest_malformed", where=broken.field)
    wrong = {
        "file": ("manifest_names_another_file", manifest.file + SUFFIX != path.name),
        "kind": ("manifest_kind_differs", manifest.kind.replace("_", "-") != kind),
        "encoding": ("encoding_not_offered", manifest.encoding.lower() not in ENCODINGS),
        "form": ("form_not_offered", manifest.form not in {CSV, FIXED_WIDTH}),
        "as_of": ("manifest_malformed", bool(manifest.as_of) and not _is_day(manifest.as_of)),
    }
    bad = next((BadManifest(reason=reason, where=name) for name, (reason, is_wrong) in wrong.items() if is_wrong), None)
    return bad or manifest


def _is_day(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def check_file(path: Path, manifest: Manifest, *, header_lines: int) -> BadManifest | None:
    """Compare the file's digest and count with the manifest's. Reads the whole file once."""
    digest = hashlib.sha256()
    lines = 0
    last = b"\n"
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
            lines += block.count(b"\n")
            last = block[-1:]
    if digest.hexdigest() != manifest.sha256.lower():
        return BadManifest(reason="sha256_differs")
    lines += (last != b"\n") - header_lines
    if lines != manifest.count:
        return BadManifest(reason="count_differs", where="count", facts={"lines": lines, "count": manifest.count})
    return None
