"""Static pages from template files. A template file holds blocks, each after a line `<!-- block: name -->`; `$name` is filled in.

Whatever is filled in is escaped, for text and quoted attributes alike, unless it is an `Html` that a template made. A page carries its
style inside and a policy that lets nothing run and nothing be fetched, so one file is all there is.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import resources
from string import Template
from typing import Final

_BLOCK: Final = re.compile(r"^<!-- block: ([a-z_]+) -->\n", re.MULTILINE)
PAPER: Final = "gateway.pages"
"""The package of what every page shares: its frame and its style."""


class Html(str):
    """Text that is markup already; only this module makes it."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Templates:
    """The blocks of one file by name."""

    blocks: Mapping[str, Template]

    def fill(self, block: str, /, **values: object) -> Html:
        """One block with every `$name` filled in. Raises KeyError for a block or a name that is missing."""
        return Html(self.blocks[block].substitute({name: escaped(value) for name, value in values.items()}))


def load(package: str, name: str = "page.html") -> Templates:
    """The template file of a package."""
    parts = _BLOCK.split(read(package, name))
    return Templates({block: Template(text.rstrip("\n")) for block, text in zip(parts[1::2], parts[2::2], strict=True)})


def read(package: str, name: str) -> str:
    return (resources.files(package) / name).read_text(encoding="utf-8")


def escaped(value: object) -> Html:
    """Markup as it is, anything else as text; what a browser would not show or would reorder by is made visible."""
    if isinstance(value, Html):
        return value
    return Html(html.escape(_visible(str(value)), quote=True))


def joined(parts: Iterable[Html], between: str = "\n") -> Html:
    return Html(between.join(parts))


def page(title: str, *, style: str, body: Html) -> Html:
    """A whole document around a body. `style`: CSS of our own files, on top of the shared one."""
    return load(PAPER, "paper.html").fill("paper", title=title, style=Html(read(PAPER, "paper.css") + style), body=body)


_UNSEEN: Final = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\ud800-\udfff\ufffe\uffff]"
)


def _visible(text: str) -> str:
    """Controls, zero-width and direction marks as their code points: nobody hides words in a page or turns them round."""
    return _UNSEEN.sub(lambda found: f"[U+{ord(found.group()):04X}]", text)
