"""Reading a topology file's mappings: what is wrong with a value is gathered with its line and how to mend it, and reading goes on."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final, Self

from codebook import marked_yaml
from codebook.marked_yaml import Marked, YamlBrokenError
from gateway.topology_texts import A_DAY, MISTAKES
from permission_lists.findings import Finding, Weight

_SHOWN: Final = 60
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_MOST_NAMED: Final = 12
PORTS: Final = (1, 65_535)
OUR_PORTS: Final = (1_024, 65_535)
"""Of what we start or play ourselves: those below are for the machine's administrator."""


_BROKEN: Final = {
    marked_yaml.KEY_TWICE: "key_twice",
    marked_yaml.VALUE_BROKEN: "no_such_value",
    marked_yaml.KEY_NOT_TEXT: "key_not_text",
    marked_yaml.TOO_DEEP: "too_deep",
}


class TopologyError(ValueError):
    """The topology does not fit together: nothing of it is taken. `findings`: each with file, line, what and how to mend it."""

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings = tuple(findings)
        super().__init__("\n".join(f"{one.file}:{one.line}: {one.what}\n    → {one.mend}" for one in self.findings))


class Findings:
    """What is wrong with one file so far."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.found: list[Finding] = []

    def add(self, line: int, code: str, **named: object) -> None:
        what, mend = (text.format(**named) for text in MISTAKES[code])
        self.found.append(Finding(file=self.file, line=line, weight=Weight.ERROR, code=code, what=what, mend=mend))

    def check(self) -> None:
        """Raises TopologyError when something is wrong."""
        if self.found:
            raise TopologyError(sorted(self.found, key=lambda one: one.line))


@dataclass(frozen=True, slots=True)
class _Stray:
    """An entry of a list that is no mapping, where one should be."""

    line: int


class Fields:
    """One mapping of the file. Each reader gives a value of the right kind; where there is none it notes that and gives a stand-in."""

    def __init__(self, mapping: object, known: Collection[str], *, line: int, what: str, findings: Findings) -> None:
        self.findings = findings
        self.what = what
        at = mapping.line if isinstance(mapping, _Stray) else line
        self.mapping: Marked = mapping if isinstance(mapping, Marked) else Marked(at)
        self.line = self.mapping.line
        if not isinstance(mapping, Marked):
            self.wrong(None, "not_a_mapping")
        for key in self.mapping:
            if key not in known:
                self.unknown(key, "key_unknown", key, known)

    def within(self, key: str, known: Collection[str]) -> Self:
        """The mapping under the key, of these keys."""
        line = self.mapping.line_of(key)
        return type(self)(self.mapping[key], known, line=line, what=f"{self.what} {key}", findings=self.findings)

    def at(self, key: object) -> str:
        """File and line of a key, or of the mapping, as a message names them."""
        return f"{self.findings.file}:{self.mapping.line_of(key) if key is not None else self.line}"

    def unknown(self, at: object, code: str, name: object, known: Iterable[str]) -> None:
        """Note that there is no such name, and which ones there are: those that look like it, if any do."""
        self.wrong(at, code, name=shown(name), known=nearest(name, known))

    def wrong(self, at: object, code: str, **named: object) -> None:
        """Note what is wrong (`topology_texts.MISTAKES`), at the line of this key, or of the mapping."""
        self.findings.add(self.mapping.line_of(at) if at is not None else self.line, code, what=self.what, **named)

    def text(self, key: str, form: re.Pattern[str], mend: str) -> str:
        """The text under the key, of this form whole."""
        found = self.mapping.get(key)
        if isinstance(found, str) and form.fullmatch(found):
            return found
        self.value_wrong(key, mend)
        return ""

    def number(self, key: str, bounds: tuple[int, int]) -> int:
        found = self.mapping.get(key)
        if isinstance(found, int) and not isinstance(found, bool) and bounds[0] <= found <= bounds[1]:
            return found
        self.value_wrong(key, f"{bounds[0]}〜{bounds[1]} の整数です / a number from {bounds[0]} to {bounds[1]}")
        return 0

    def truth(self, key: str, *, default: bool | None = None) -> bool:
        found = self.mapping.get(key, default)
        if isinstance(found, bool):
            return found
        self.value_wrong(key, "true か false です / true or false")
        return False

    def day(self, key: str) -> date | None:
        """The legal day under the key, in quotes or not; None, and noted, for anything else."""
        found = self.mapping.get(key)
        if isinstance(found, date) and not isinstance(found, datetime):
            return found
        if isinstance(found, str) and _DAY.fullmatch(found):
            try:
                return date.fromisoformat(found)
            except ValueError:
                pass
        self.value_wrong(key, A_DAY)
        return None

    def named(self, key: str, known: Collection[str]) -> str:
        """The text under the key, one of these names."""
        found = self.mapping.get(key)
        if isinstance(found, str) and found in known:
            return found
        if key in self.mapping:
            self.unknown(key, "name_unknown", found, known)
        else:
            self.value_wrong(key, f"次のどれかです / one of: {nearest('', known)}")
        return ""

    def texts(self, key: str) -> tuple[str, ...]:
        """The list of texts under the key, none of them twice; () when the key is not there."""
        found = self.mapping.get(key, [])
        if isinstance(found, list) and all(isinstance(one, str) and one for one in found):
            self.once(key, found)
            return tuple(dict.fromkeys(found))
        self.value_wrong(key, "[一つ目, 二つ目] のような文字の並びです / a list of texts such as [one, two]")
        return ()

    def once(self, key: str, texts: Iterable[str]) -> None:
        """Note each text that stands twice in the list under the key."""
        for text, times in Counter(texts).items():
            if times > 1:
                self.wrong(key, "stands_twice", thing=f"{key} の {shown(text)}", first=self.at(key))

    def elements(self, key: str) -> Iterator[Marked | _Stray]:
        """The entries of the list under the key, for `Fields`; none when the key is not there."""
        found = self.mapping.get(key, [])
        if isinstance(found, list):
            for one, line in zip(found, self.mapping.entries.get(key, ()), strict=False):
                yield one if isinstance(one, Marked) else _Stray(line)
        else:
            self.value_wrong(key, "「- 」で始まる行の並びです / a list of lines that begin with '- '")

    def value_wrong(self, key: str, mend: str) -> None:
        """Note that there is no value of the right kind under the key, or none at all; `mend` says what would be right."""
        if key in self.mapping:
            self.wrong(key, "value_wrong", key=key, value=shown(self.mapping[key]), mend=mend)
        else:
            self.wrong(None, "key_missing", key=key, mend=mend)


def nearest(name: object, known: Iterable[str]) -> str:
    """Names that look like this one, as a message tells them; all of them (a few of many) when none does."""
    names = [str(one) for one in known]
    near = difflib.get_close_matches(str(name), names, 3, 0.6) or names
    return f"{', '.join(near[:_MOST_NAMED])}{' …' if len(near) > _MOST_NAMED else ''}" or "（なし / none）"


def load(text: str, findings: Findings) -> object:
    """The document with the line of every mapping. Raises TopologyError when it is not YAML."""
    try:
        return marked_yaml.load(text)
    except YamlBrokenError as wrong:
        findings.add(wrong.line, _BROKEN.get(wrong.problem, "not_yaml"))
        findings.check()
        raise


def shown(value: object) -> str:
    """A value of the file as a message quotes it: a topology holds no personal data."""
    text = str(value).replace("\n", " ")
    return f"「{text[:_SHOWN]}…」" if len(text) > _SHOWN else f"「{text}」"
