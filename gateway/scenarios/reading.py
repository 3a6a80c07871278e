"""Reads a scenario whole, or says everything that is wrong with it: file, line, what, and which words would be right. Nothing is started for a wrong one.

The words of a step are those of `gateway.scenarios.verbs`; this module knows their forms and not what they do.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_args, get_origin

import msgspec
from msgspec import Meta, Struct

from codebook import marked_yaml
from codebook.marked_yaml import Marked, YamlBrokenError
from gateway.clock_command import ClockWordsError, parse_instant
from gateway.scenarios.scenario import DEFAULT, WARD, Form, Known, Person, Present, Scenario, Step, Told, Unfit, Words
from permission_lists.findings import Finding, Weight

LARGEST: Final = 256 * 1024
MOST_STEPS: Final = 200
_MOST_NAMED: Final = 30
_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,30}")
_FIELD: Final = re.compile(r"\$\.(\w+)")
_ENUM: Final = re.compile(r"Invalid enum value '?(.*?)'?$")
_ARTICLE: Final = re.compile(
    r"(番号法|附則|施行令|施行規則|住基法)\d{1,3}条(の\d{1,2})?(\d{1,2}項)?(\d{1,2}号)?|[ⅠⅡⅢⅣⅤⅥ]-\d{1,2}|DOMAIN \d{1,2}\.\d{1,2}( \S+)?"
)
_ARTICLES: Final = ("番号法23条2項", "施行令30条", "Ⅱ-5")
"""As what is no requirement is cited."""
_OF_STEPS: Final = ("step", "inquiry", "form", "decision", "correction", "grant", "notice", "code")
"""What a step may be to later ones."""
_KINDS: Final = {
    "agency": "機関", "role": "役割", "person": "人", "step": "ここより前の手順", "verb": "動作", "key": "キー", "result": "結果の名", "line": "回線",
    "topology": "構成", "insurer": "国民健康保険の保険者", "switch": "不正の切替え", "asking": "照会できる機関", "act": "不正な振る舞い", "bend": "不正な回答",
    "inquiry": "ここより前の照会 (ask)", "form": "ここより前の届出 (bring)", "decision": "ここより前の提案 (propose)", "case": "拒まれる例", "party": "当事者",
    "home": "人を知っている機関", "reason": "理由", "state": "状態", "outcome": "区分", "values": "値の区分", "entry": "記録の種類", "finding": "検証の結果",
    "ring key": "鍵", "hosted agency": "受け持つ機関", "command": "コマンド", "word": "言葉", "flag": "真偽", "count": "数", "somebody": "人か nobody",
    "bad line": "回線と障害", "answer": "答え", "setting": "切替え", "cite": "要件か条文",
    "staff": "職員", "function": "試せる機能", "rule": "規則", "notice kind": "お知らせの種類", "job kind": "ジョブの種類",
    "correction": "ここより前の訂正 (correct)", "grant": "ここより前の権限 (grant)", "notice": "ここより前のお知らせ (notice)",
    "code": "ここより前の符号 (old-code)",
}  # fmt: skip


class _Written(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    scenario: str
    says: str
    steps: list[dict[str, Any]]
    cites: list[str] = []
    seed: Annotated[int, Meta(ge=0, le=2**53)] = 1
    begins: str | None = None
    topology: str = DEFAULT
    alone: bool = False
    people: dict[str, dict[str, Any]] = {}


@dataclass(slots=True)
class _Findings:
    file: str
    found: list[Finding] = field(default_factory=list)

    def add(self, line: int, code: str, what: str, mend: str) -> None:
        self.found.append(Finding(file=self.file, line=line, weight=Weight.ERROR, code=code, what=what, mend=mend))

    def unknown(self, line: int, kind: str, name: object, known: Iterable[str]) -> None:
        names = sorted(set(known))
        near = difflib.get_close_matches(str(name), names, 3, 0.5) or names
        more = " …" if len(near) > _MOST_NAMED else ""
        self.add(
            line,
            "name_unknown",
            f"{_KINDS.get(kind, kind)}「{_shown(name)}」はありません / there is no such {kind}",
            f"次のどれかです / one of: {', '.join(near[:_MOST_NAMED]) or '（なし / none）'}{more}",
        )


def unreadable(file: str) -> Finding:
    """Of a file that is not there, or is no text."""
    return Finding(
        file=file, line=1, weight=Weight.ERROR, code="not_readable",
        what="ファイルを読めません / the file cannot be read as text",
        mend="ある UTF-8 のファイルを指定してください / name a file that is there, in UTF-8",
    )  # fmt: skip


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
    _check_cites(document, marked, known, findings)
    people = dict(_people(marked.get("people", {}), known, findings))
    steps = list(_steps(marked["steps"], known, people, begins, findings))
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
        people=people,
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
            "字下げ、引用符、同じキーの重複、日付を確かめてください / check indentation, quotes, days, and keys that stand twice",
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
    fields = {one.encode_name: one for one in msgspec.structs.fields(form)}
    unknown = [key for key in marked if key not in fields]
    for key in unknown:
        findings.unknown(marked.line_of(key), "key", key, fields)
    if unknown:
        return None
    try:
        return msgspec.convert(marked, form)
    except msgspec.ValidationError as wrong:
        what, _, place = str(wrong).partition(" - at `")
        named = _FIELD.search(place)
        key = named.group(1) if named else None
        at = line if key is None else marked.line_of(key)
        word = _ENUM.match(what)
        if word and key in fields:
            findings.unknown(at, "word", word.group(1), _words_of(fields[key].type))
        else:
            findings.add(at, "form", f"{key or 'ここ / here'}: 書き方が違います / {what}", _mend(what, fields))
        return None


def _words_of(form: Any) -> Iterator[str]:
    """Every word that a field of this type takes."""
    if get_origin(form) is Literal:
        yield from get_args(form)
    elif isinstance(form, type) and issubclass(form, Enum):
        yield from (str(one.value) for one in form)
    else:
        for part in get_args(form):
            yield from _words_of(part)


def _mend(what: str, fields: Iterable[str]) -> str:
    if what.startswith("Expected `str`, got `"):
        return '文字は引用符で囲んでください / put a text in quotes: "27"'
    return f"書けるキー / keys: {', '.join(sorted(fields))}。docs/scenarios.md に例があります / examples in docs/scenarios.md"


def _begins(document: _Written, marked: Marked, findings: _Findings) -> datetime | None:
    if document.begins is None:
        return None
    try:
        return parse_instant(document.begins)
    except ClockWordsError as wrong:
        findings.add(marked.line_of("begins"), "instant", f"begins: 「{_shown(document.begins)}」", str(wrong))
        return None


def _check_cites(document: _Written, marked: Marked, known: Known, findings: _Findings) -> None:
    for cite in document.cites:
        if cite not in known.names["cite"] and not _ARTICLE.fullmatch(cite):
            findings.unknown(marked.line_of("cites"), "cite", cite, [*known.names["cite"], *_ARTICLES])


def _people(people: Any, known: Known, findings: _Findings) -> Iterator[tuple[str, Person]]:
    """Somebody of whom something is wrong takes part all the same, so that whoever names them is not wrong for it."""
    for name, written in people.items():
        at = people.line_of(name)
        if not _NAME.fullmatch(name):
            findings.add(
                at,
                "name_form",
                f"名前「{_shown(name)}」/ a name",
                "英小文字で始まる 31 字までの英小文字・数字・- にしてください / lower-case letters, digits and -",
            )
        person = _converted(written, Person, at, findings)
        yield name, person or Person(at=[])
        if person is not None:
            _check_person(name, person, written, known, findings)


def _check_person(name: str, person: Person, written: Any, known: Known, findings: _Findings) -> None:
    for agency in person.at:
        if agency not in known.names["home"]:
            findings.unknown(written.line_of("at"), "home", agency, known.names["home"])
    if person.insured_by not in known.names["insurer"]:
        findings.unknown(written.line_of("insured_by"), "insurer", person.insured_by, known.names["insurer"])
    for holder, holds in (
        (person.insured_by, person.insurance != "none"),
        ("naikaku", person.account != "none"),
        ("kosei-rodo", person.unemployment),
    ):
        if holds and person.at and holder not in person.at:
            findings.add(
                written.line_of("at"),
                "holder_missing",
                f"「{name}」の情報を持つ {holder} が at にありません / {holder} holds it and is not in at",
                f"at に {holder} を加えてください / add {holder} to at",
            )


def _steps(
    steps: Iterable[Marked], known: Known, people: Mapping[str, Person], begins: datetime | None, findings: _Findings
) -> Iterator[Step]:
    now = Present(at=max(known.begins, begins or known.begins))
    names: dict[str, list[str]] = {kind: list(of_kind) for kind, of_kind in known.names.items()}
    names |= {"person": list(people), **{kind: [] for kind in _OF_STEPS}, "here": [str(Path(findings.file).parent)]}
    names |= {f"homes of {name}": person.at for name, person in people.items()}
    for raw in steps:
        step = _step(raw, known, names, findings)
        if step is not None:
            yield step
            moved = known.forms[step.verb].moves(step.words, now)
            if isinstance(moved, Unfit):
                _add_unfit(moved, moved.key, raw[step.verb].line_of(moved.key), findings)
            else:
                now = moved
            if known.forms[step.verb].staged and not any(map(_on_stage, people.values())):
                findings.add(
                    step.line,
                    "nobody_on_stage",
                    f"{step.verb} には setagaya と suginami が知る被保険者が要ります / needs somebody insured whom both know",
                    "people に {at: [setagaya, suginami], insurance: given} の人を加えてください / add such a person to people",
                )
        if isinstance(raw.get("as"), str):
            form = next((known.forms[key] for key in raw if key in known.forms), None)
            for kind in (
                {"step", form.makes} if form is not None else _OF_STEPS
            ):  # what a wrong step was to be is not known
                names[kind].append(raw["as"])


def _on_stage(person: Person) -> bool:
    return {WARD, "suginami"} <= set(person.at) and (person.insurance, person.insured_by) == ("given", WARD)


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
    line = raw.line_of(verb)
    if form is None:
        findings.unknown(line, "verb", verb, known.forms)
        return None
    given, expect, name = raw[verb], raw.get("expect", Marked(line)), raw.get("as")
    if given is None:
        given = Marked(line)
    for part, at in ((given, line), (expect, raw.line_of("expect"))):
        if not isinstance(part, Marked):
            findings.add(
                at, "form", f"{verb} と expect は「キー: 値」の並びです / mappings", "{…} で書いてください / write {…}"
            )
            return None
    words = _converted(given, form.words, line, findings)
    _check_expect(expect, form, names, findings)
    if words is not None:
        _check_words(given, words, form, names, findings)
    if name is not None and (not isinstance(name, str) or not _NAME.fullmatch(name) or name in names["step"]):
        findings.add(
            raw.line_of("as"),
            "name_form",
            f"as: 「{_shown(name)}」",
            "ほかの手順にない、英小文字の名前にしてください / a new name in lower-case letters",
        )
    return None if words is None else Step(line=line, verb=verb, words=words, expect=dict(expect), name=name)


def _check_words(
    given: Marked, words: Words, form: Form, names: Mapping[str, Collection[str]], findings: _Findings
) -> None:
    """Every text that must name something does: one, a list of them, or the keys of a mapping; and the fields fit each other."""
    written = {one.name: one.encode_name for one in msgspec.structs.fields(form.words)}
    for key, kind in form.refers.items():
        value = getattr(words, key)
        for one in [] if value is None else [value] if isinstance(value, str) else value:
            if one not in names[kind]:
                findings.unknown(given.line_of(written[key]), kind, one, names[kind])
    for wrong in form.fits(words, names):
        key = written[wrong.key]
        _add_unfit(wrong, key, given.line_of(key), findings)


def _add_unfit(wrong: Unfit, key: str, line: int, findings: _Findings) -> None:
    if wrong.mend is None:
        findings.unknown(line, wrong.kind, wrong.name, wrong.known)
    else:
        kind = _KINDS.get(wrong.kind, wrong.kind)
        findings.add(line, "form", f"{key}: {kind}「{_shown(wrong.name)}」", wrong.mend)


def _check_expect(expect: Marked, form: Form, names: Mapping[str, Collection[str]], findings: _Findings) -> None:
    for key, value in expect.items():
        told = form.tells.get(key)
        if told is None:
            findings.unknown(expect.line_of(key), "result", key, form.tells)
        elif told.several and not isinstance(value, list):
            findings.add(
                expect.line_of(key),
                "form",
                f"{key} は並びです / a list",
                f"{key}: [{_shown(value)}] と書いてください / write it so",
            )
        else:
            for one in value if told.several else [value]:
                _check_told(one, told, expect.line_of(key), names, findings)
    for wrong in form.contrary(expect):
        _add_unfit(wrong, wrong.key, expect.line_of(wrong.key), findings)


def _check_told(value: Any, told: Told, line: int, names: Mapping[str, Collection[str]], findings: _Findings) -> None:
    if value is None:
        return
    if told.kind in {"flag", "count"}:
        if not isinstance(value, int) or isinstance(value, bool) != (told.kind == "flag"):
            mend = "true か false です / true or false" if told.kind == "flag" else "整数です / a whole number"
            findings.add(line, "form", f"{_KINDS[told.kind]}「{_shown(value)}」/ a {told.kind}", mend)
        elif told.kind == "count" and not told.least <= value <= told.most:
            mend = f"{told.least}〜{told.most} です / {told.least} to {told.most}"
            findings.add(line, "form", f"{_KINDS[told.kind]}「{_shown(value)}」/ a {told.kind}", mend)
        return
    known = [*told.words, *names.get(told.kind, ())]
    if value not in known:
        findings.unknown(line, told.kind, value, known)


def _shown(text: object) -> str:
    return re.sub(r"\s+", " ", str(text))[:60]
