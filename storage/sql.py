"""Named SQL: `queries.sql` beside the store that uses it, blocks headed `-- name: some_name`."""

from __future__ import annotations

import re
from importlib import resources

_HEAD = re.compile(r"^-- name: ([a-z_][a-z0-9_]*)\s*$", re.MULTILINE)


def load(package: str, file: str = "queries.sql") -> dict[str, str]:
    """Return the named blocks of a package's SQL file, name → text.

    Raises RuntimeError when a name stands twice: that is our own mistake.
    """
    text = resources.files(package).joinpath(file).read_text(encoding="utf-8")
    pieces = _HEAD.split(text)
    names = pieces[1::2]
    if len(set(names)) != len(names):
        raise RuntimeError("a query name stands twice in one SQL file")
    return {name: body.strip() for name, body in zip(names, pieces[2::2], strict=True)}
