"""Named SQL: `queries.sql` beside the store that uses it, blocks headed `-- name: some_name`.

Statements that differ by table and column alone stand there once, between `-- for each: word, word` and `-- end`, below one comment line of values
for each table; `{word}` is replaced by its value. Everything comes from the package's own file: nothing that is known at run time gets in.
"""

from __future__ import annotations

import re
from importlib import resources

_HEAD = re.compile(r"^-- name: ([a-z_][a-z0-9_]*)\s*$", re.MULTILINE)
_EACH = re.compile(r"^-- for each: ([^\n]*)\n((?:-- (?!name: )[^\n]*\n)+)(.*?)^-- end$", re.MULTILINE | re.DOTALL)
_WORD = re.compile(r"\{([a-z_]+)\}")
_VALUE = re.compile(r"[a-z][a-z0-9_]*")


def load(package: str, file: str = "queries.sql") -> dict[str, str]:
    """Return the named blocks of a package's SQL file, name → text.

    Raises RuntimeError when a name stands twice or a line of values does not fit: that is our own mistake.
    """
    return parse(resources.files(package).joinpath(file).read_text(encoding="utf-8"))


def parse(text: str) -> dict[str, str]:
    """The named blocks of a text. Raises RuntimeError."""
    pieces = _HEAD.split(_EACH.sub(_spelled_out, text))
    names = pieces[1::2]
    if len(set(names)) != len(names):
        raise RuntimeError("a query name stands twice in one SQL file")
    return {name: body.strip() for name, body in zip(names, pieces[2::2], strict=True)}


def _spelled_out(block: re.Match[str]) -> str:
    words, lines, statements = block.groups()
    return "".join(_filled(statements, words.split(", "), line[3:].split(", ")) for line in lines.splitlines())


def _filled(statements: str, words: list[str], values: list[str]) -> str:
    if len(words) != len(values) or not all(map(_VALUE.fullmatch, values)):
        raise RuntimeError("a line of values does not fit its words")
    filling = dict(zip(words, values, strict=True))
    if not filling.keys() >= set(_WORD.findall(statements)):
        raise RuntimeError("a statement has a word without a value")
    return _WORD.sub(lambda word: filling[word[1]], statements)
