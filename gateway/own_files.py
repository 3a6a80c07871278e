"""自機関のファイル: what an agency brings of its own, named by options of its roles; one that is wrong is refused with file, line and what to do.

Layouts of business information (`layouts`) are read here, since both servers and the terminal need them; the others beside what they are for.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from codebook import layouts
from codebook.layouts import Layout, LayoutBrokenError
from storage.reference_data import read_layouts


class OwnFileError(Exception):
    """A file of an agency's own is wrong, and what needs it does not start. The message is for whoever wrote the file, and quotes nobody's data."""

    @property
    def told(self) -> str:
        return f"自機関のファイルが正しくありません / a file of the agency's own is wrong: {self}"


def own_file(folder: Path, options: Mapping[str, Any], option: str, agency: str) -> Path | None:
    """The agency's own file, relative to the role's folder, when the role's option (`affairs`, `file_layouts`, …) names one."""
    named = dict(options.get(option, {})).get(agency)
    return folder / named if named else None


def layouts_with_own(path: Path | None) -> tuple[Layout, ...]:
    """An agency's layouts: those of its own file, and ours, unless its own have the same information and version. Raises OwnFileError."""
    ours = read_layouts()
    if path is None:
        return ours
    try:
        own = layouts.parse(path.read_text("utf-8"), str(path), beside=ours)
    except LayoutBrokenError as broken:
        raise OwnFileError(str(broken)) from None
    except (OSError, UnicodeDecodeError):
        raise OwnFileError(f"{path}: the file of layouts cannot be read as UTF-8 text") from None
    written = {(one.information, one.version) for one in own}
    return (*own, *(one for one in ours if (one.information, one.version) not in written))
