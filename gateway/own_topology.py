"""The topology of a data folder: the file that it was set up with or the shipped one, and the files of added agencies."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, partial
from pathlib import Path
from typing import Final

from gateway.data_folder import DataFolder
from gateway.linkage_server.affairs import read_affairs
from gateway.linkage_server.bulk_inquiries.codes import read_codes
from gateway.linkage_server.file_layouts import read_file_layouts
from gateway.own_files import OwnFileError, layouts_with_own
from gateway.topology import Addition, Topology, parse, shipped_text
from gateway.topology_fields import Findings
from gateway.topology_options import WrongFile
from permission_lists import versions
from permission_lists.model import ListBroken
from storage import list_files
from storage.list_files import ListFileBrokenError

_LARGEST: Final = 16 * 1024 * 1024


def read(data: DataFolder, *, given: tuple[str, str] | None = None, more: Addition | None = None) -> Topology:
    """`given`: another topology (file, text) in place of the folder's; files that its options name must be there and right.

    `more`: an agency that is not in the folder yet, or its file as it shall be. It is read last, so a mistake is told of it and not of those that are
    right; what is taken is right in any order (`topology_reading.additions`).

    Raises TopologyError.
    """
    new = given is not None
    if given is None and data.own_topology.exists():
        given = (str(data.own_topology), text_of(data.own_topology))
    file, text = given or ("topology.yaml", shipped_text())
    kinds = cache(lambda: _published_kinds(data))
    added = [one for one in additions(data) if more is None or one.file != more.file]
    wrong = partial(_wrong_file, data) if new else (lambda _role, _option, _path: None)
    return parse(text, file=file, additions=[*added, *([more] if more else [])], published=kinds, wrong_file=wrong)


_READERS: Final[Mapping[str, Callable[[Path], object]]] = {
    "affairs": read_affairs,
    "file_layouts": read_file_layouts,
    "layouts": layouts_with_own,
    "inquiry_codes": partial(read_codes, layouts=(), agencies={}),
}
"""Option that names a file of each agency → what reads it when the role starts."""


def _wrong_file(data: DataFolder, role: str, option: str, path: str) -> WrongFile | None:
    """What is wrong with a file that a role's option names: it cannot be read as text where it should be, or its reader refuses it."""
    place = data.role(role) / path
    try:
        place.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError, ValueError):
        return WrongFile(str(place))
    try:
        _READERS[option](place)
    except OwnFileError as refused:
        return WrongFile(str(place), str(refused))
    return None


def _published_kinds(data: DataFolder) -> frozenset[str]:
    """Kinds of information of every version of the list that this folder has; a list that was damaged says nothing here."""
    try:
        contents = [versions.read_content(one.content) for one in list_files.read(data.lists)]
    except (ListFileBrokenError, ListBroken, OSError):
        return frozenset()
    return frozenset(
        name for one in contents for row in one.rows.values() for grant in row.grants for name in grant.information
    )


def additions(data: DataFolder) -> list[Addition]:
    return [Addition(str(path), text_of(path)) for path in sorted(data.agencies.glob("*.yaml"))]


def text_of(path: Path) -> str:
    """Raises TopologyError for a file that cannot be read as text, or is too large to be a topology."""
    findings = Findings(str(path))
    try:
        data = path.read_bytes()
        if len(data) <= _LARGEST:
            return data.decode()
    except (OSError, UnicodeDecodeError):
        pass
    findings.add(1, "not_readable")
    findings.check()
    raise AssertionError("check raises")
