"""A scenario: who takes part, what happens step by step, what must come of it. `parse` takes it whole or says everything that is wrong with it.

The words of a step are those of `gateway.scenarios.verbs`; this module knows their forms and not what they do.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct

from codebook import marked_yaml
from codebook.marked_yaml import Marked, YamlBrokenError
from gateway.clock_command import ClockWordsError, parse_instant
from permission_lists.findings import Finding, Weight

LARGEST: Final = 256 * 1024
MOST_STEPS: Final = 200
DEFAULT: Final = "default"
WARD: Final = "setagaya"
_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,30}")
_KEY: Final = re.compile(r"\.(\w+)|\[(\d+)\]|\[(\.\.\.)\]")

Holding = Literal["none", "given", "barred"]
Expected = str | int | bool | None | list[Any] | dict[str, Any]


class Person(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Somebody synthetic. `at`: agencies that know them (none: a step brings them in); what each providing agency holds of them, and whether it may answer by itself.

    `insured_by`: the municipality whose 国民健康保険 it is. `holder`: in whose name the account is.
    """

    at: list[str]
    insurance: Holding = "none"
    insured_by: str = WARD
    account: Holding = "none"
    holder: Literal["own", "another"] = "own"
    unemployment: bool = False


class Words(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """What a verb is given. Each verb has a form of its own."""


class _Written(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    scenario: str
    says: str
    steps: list[dict[str, Any]]
    cites: list[str] = []
    seed: int = 1
    begins: str | None = None
    topology: str = DEFAULT
    alone: bool = False
    slow: bool = False
    people: dict[str, Person] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """How a verb is written. `words`: its form; `tells`: the names of what comes of it; `refers`: field → what its text must name."""

    words: type[Words]
    tells: frozenset[str]
    refers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """`line`: in its file. `name`: under which later steps refer to it. `expect`: what must come of it, of all that does."""

    line: int
    verb: str
    words: Words
    expect: Mapping[str, Any]
    name: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """`begins`: the simulated instant before which it does not start. `topology`: the shipped one in which it is played.

    `alone`: in a system that nothing else was done to. `slow`: played by command; the tests leave it out, because others of them show the same.
    """

    file: str
    title: str
    says: str
    cites: tuple[str, ...]
    seed: int
    begins: datetime | None
    topology: str
    alone: bool
    slow: bool
    people: Mapping[str, Person]
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What a scenario may name: its verbs, and under each kind of name (`agency`, `role`, `switch`, …) those that there are."""

    forms: Mapping[str, Form]
    names: Mapping[str, Collection[str]]


@dataclass(slots=True)
class _Findings:
    file: str
    found: list[Finding] = field(default_factory=list)

    def add(self, line: int, code: str, what: str, mend: str) -> None:
        self.found.append(Finding(file=self.file, line=line, weight=Weight.ERROR, code=code, what=what, mend=mend))

    def unknown(self, line: int, kind: str, name: object, known: Iterable[str]) -> None:
        names = sorted(known)
        near = difflib.get_close_matches(str(name), names, 3, 0.5) or names
        self.add(
            line,
            "name_unknown",
            f"{_KINDS.get(kind, kind)}「{_shown(name)}」はありません / there is no such {kind}",
            f"次のどれかです / one of: {', '.join(near[:30]) or '（なし / none）'}",
        )


_KINDS: Final = {
    "agency": "機関", "role": "役割", "person": "人", "step": "ここより前の手順", "verb": "動作", "key": "キー", "result": "結果の名", "line": "回線",
    "topology": "構成", "insurer": "国民健康保険の保険者",
    "switch": "不正の切替え", "asking": "照会できる機関", "act": "不正な振る舞い", "bend": "不正な回答",
}  # fmt: skip


def parse(file: str, text: str, topologies: Mapping[str, Known]) -> Scenario | list[Finding]:
    """The scenario, or everything that keeps it from being played. `file`: its name, for findings; `topologies`: name → what is known in it."""
    findings = _Findings(file)
    written = _written(text, findings)
    if written is None:
        return findings.found
    document, marked = written
    if document.topology not in topologies:
        findings.unknown(marked.line_of("topology"), "topology", document.topology, topologies)
        return findings.found
    known = topologies[document.topology]
    begins = _begins(document, marked, findings)
    _check_people(document, marked, known, findings)
    steps = _steps(document, marked, known, findings)
    if not 1 <= len(document.steps) <= MOST_STEPS:
        findings.add(
            marked.line_of("steps"),
            "steps_count",
            f"手順は 1〜{MOST_STEPS} です / 1 to {MOST_STEPS} steps",
            "手順を書くか、分けてください / write some, or split it",
        )
    if findings.found:
        return sorted(findings.found, key=lambda one: one.line)
    return Scenario(
        file=file,
        title=document.scenario,
        says=document.says,
        cites=tuple(document.cites),
        seed=document.seed,
        begins=begins,
        topology=document.topology,
        alone=document.alone,
        slow=document.slow,
        people=document.people,
        steps=tuple(steps),
    )


def _written(text: str, findings: _Findings) -> tuple[_Written, Marked] | None:
    if len(text) > LARGEST:
        findings.add(1, "too_large", "文書が大きすぎます / the document is too large", "分けてください / split it")
        return None
    try:
        loaded = marked_yaml.load(text)
    except YamlBrokenError as broken:
        findings.add(
            broken.line,
            "not_yaml",
            f"YAML として読めません / {broken.problem}",
            "字下げ、引用符、同じキーの重複を確かめてください / check indentation, quotes and keys that stand twice",
        )
        return None
    if not isinstance(loaded, Marked):
        findings.add(
            1,
            "form",
            "シナリオは scenario、says、steps を持つ文書です / a mapping with scenario, says and steps",
            "docs/scenarios.md に書き方があります / see docs/scenarios.md",
        )
        return None
    found = _converted(loaded, _Written, loaded.line, findings)
    return None if found is None else (found, loaded)


def _converted(marked: Marked, form: Any, line: int, findings: _Findings) -> Any:
    """`marked` in this form, or None when that is on the findings."""
    fields = {one.encode_name for one in msgspec.structs.fields(form)}
    for key in [key for key in marked if key not in fields]:
        findings.unknown(marked.line_of(key), "key", key, fields)
        return None
    try:
        return msgspec.convert(marked, form)
    except msgspec.ValidationError as wrong:
        what, _, place = str(wrong).partition(" - at `")
        findings.add(
            _line_at(marked, place.rstrip("`"), line),
            "form",
            f"{place.rstrip('`').lstrip('$.') or 'ここ / here'}: 書き方が違います / {what}",
            f"書けるキー / keys: {', '.join(sorted(fields))}。docs/scenarios.md に例があります / examples in docs/scenarios.md",
        )
        return None


def _line_at(marked: Any, place: str, line: int) -> int:
    """The line of what msgspec's path names, or of what it stands in."""
    at = marked
    for key, index, anything in _KEY.findall(place):
        if isinstance(at, Marked) and key:
            line, at = at.line_of(key), at.get(key)
        elif isinstance(at, list) and index and int(index) < len(at):
            at = at[int(index)]
        elif anything:
            break
        if isinstance(at, Marked):
            line = at.line
    return line


def _begins(document: _Written, marked: Marked, findings: _Findings) -> datetime | None:
    if document.begins is None:
        return None
    try:
        return parse_instant(document.begins)
    except ClockWordsError as wrong:
        findings.add(marked.line_of("begins"), "instant", f"begins: 「{_shown(document.begins)}」", str(wrong))
        return None


def _check_people(document: _Written, marked: Marked, known: Known, findings: _Findings) -> None:
    people = marked.get("people")
    for name, person in document.people.items():
        at = people.line_of(name) if isinstance(people, Marked) else marked.line
        if not _NAME.fullmatch(name):
            findings.add(
                at,
                "name_form",
                f"名前「{_shown(name)}」/ a name",
                "英小文字で始まる 31 字までの英小文字・数字・- にしてください / lower-case letters, digits and -",
            )
        for agency in person.at:
            if agency not in known.names["agency"]:
                findings.unknown(at, "agency", agency, known.names["agency"])
        if person.insured_by not in known.names["insurer"]:
            findings.unknown(at, "insurer", person.insured_by, known.names["insurer"])
        for holder, holds in (
            (person.insured_by, person.insurance != "none"),
            ("naikaku", person.account != "none"),
            ("kosei-rodo", person.unemployment),
        ):
            if holds and person.at and holder not in person.at:
                findings.add(
                    at,
                    "holder_missing",
                    f"「{name}」の情報を持つ {holder} が at にありません / {holder} holds it and is not in at",
                    f"at に {holder} を加えてください / add {holder} to at",
                )


def _steps(document: _Written, marked: Marked, known: Known, findings: _Findings) -> list[Step]:
    names: dict[str, Collection[str]] = {**known.names, "person": list(document.people), "step": []}
    steps = []
    for raw in marked["steps"]:
        step = _step(raw, known, names, findings)
        if step is not None:
            steps.append(step)
            if step.name is not None:
                names["step"] = [*names["step"], step.name]
    return steps


def _step(raw: Marked, known: Known, names: Mapping[str, Collection[str]], findings: _Findings) -> Step | None:
    verbs = [key for key in raw if key not in {"expect", "as"}]
    if len(verbs) != 1:
        findings.add(
            raw.line,
            "one_verb",
            "一つの手順に動作は一つです / one verb a step",
            "「- 動作: {…}」と expect、as だけにしてください / a verb, expect and as",
        )
        return None
    verb = verbs[0]
    form = known.forms.get(verb)
    if form is None:
        findings.unknown(raw.line_of(verb), "verb", verb, known.forms)
        return None
    given, expect, name = raw[verb], raw.get("expect", {}), raw.get("as")
    if given is None:
        given = Marked(raw.line_of(verb))
    line = raw.line_of(verb)
    if not isinstance(given, Marked) or not isinstance(expect, dict):
        findings.add(
            line, "form", f"{verb} と expect は「キー: 値」の並びです / mappings", "{…} で書いてください / write {…}"
        )
        return None
    words = _converted(given, form.words, line, findings)
    if words is None:
        return None
    for key, kind in form.refers.items():
        _check_names(getattr(words, key), kind, given.line_of(key), names, findings)
    for key in expect:
        if key not in form.tells:
            findings.unknown(expect.line_of(key) if isinstance(expect, Marked) else line, "result", key, form.tells)
    if name is not None and (not isinstance(name, str) or not _NAME.fullmatch(name) or name in names["step"]):
        findings.add(
            raw.line_of("as"),
            "name_form",
            f"as: 「{_shown(name)}」",
            "ほかの手順にない、英小文字の名前にしてください / a new name in lower-case letters",
        )
    return Step(line=line, verb=verb, words=words, expect=dict(expect), name=name)


def _check_names(given: Any, kind: str, line: int, names: Mapping[str, Collection[str]], findings: _Findings) -> None:
    """Every text of a field that must name something: one, a list of them, or the keys of a mapping."""
    for one in [] if given is None else [given] if isinstance(given, str) else given:
        if one not in names[kind]:
            findings.unknown(line, kind, one, names[kind])


def _shown(text: object) -> str:
    return re.sub(r"\s+", " ", str(text))[:60]
