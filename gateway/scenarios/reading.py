"""Reads a scenario whole, or says everything that is wrong with it: file, line, what, and which words would be right. Nothing is started for a wrong one.

The words of a step are those of `gateway.scenarios.verbs`; this module knows their forms and not what they do.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from codebook import marked_yaml
from codebook.marked_yaml import Marked, YamlBrokenError
from gateway.scenarios.findings import KINDS, Findings, converted, shown
from gateway.scenarios.heading import NAME, Written, begins_at, check_cites, check_holders, check_texts, people_in
from gateway.scenarios.scenario import WARD, Form, Known, Person, Present, Scenario, Step, Told, Unfit, Words
from permission_lists.findings import Finding, Weight

_MENDS: Final = {
    marked_yaml.NOT_YAML: "字下げ、括弧、引用符を確かめてください / check indentation, brackets and quotes",
    marked_yaml.TOO_DEEP: "入れ子を浅くしてください / write it less deep",
    marked_yaml.KEY_TWICE: "キーを一つにしてください / keep one of the keys",
    marked_yaml.KEY_NOT_TEXT: "キーは一つの文字にしてください / write one text as the key",
    marked_yaml.VALUE_BROKEN: "暦にある日を書き、文字は引用符で囲んでください / a day of the calendar; quotes around a text",
}
LARGEST: Final = 256 * 1024
MOST_STEPS: Final = 200
_OF_STEPS: Final = ("step", "inquiry", "form", "decision", "correction", "grant", "notice", "code")
"""What a step may be to later ones."""


def unreadable(file: str) -> Finding:
    """Of a file that is not there, or is no text."""
    return Finding(
        file=file, line=1, weight=Weight.ERROR, code="not_readable",
        what="ファイルを読めません / the file cannot be read as text",
        mend="ある UTF-8 のファイルを指定してください / name a file that is there, in UTF-8",
    )  # fmt: skip


def parse(file: str, text: str, topologies: Mapping[str, Known]) -> Scenario | list[Finding]:
    """The scenario, or everything that keeps it from being played. `file`: its name, for findings; `topologies`: name → what is known in it."""
    findings = Findings(file)
    written = _written(text, findings)
    if written is None:
        return findings.found
    document, marked = written
    if document.topology not in topologies:
        findings.unknown(marked.line_of("topology"), "topology", document.topology, topologies)
        return findings.found
    known = topologies[document.topology]
    check_texts(document, marked, findings)
    begins = begins_at(document, marked, known, findings)
    check_cites(document, marked, known, findings)
    people = dict(people_in(marked.get("people", {}), known, findings))
    check_holders(marked.get("people", {}), people, set(_loaded(document, known)), findings)
    steps, ends = _steps(marked["steps"], known, people, begins, findings)
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
        ends=ends,
        topology=document.topology,
        first=any(known.forms[step.verb].comes_upon for step in steps),
        last=any(known.forms[step.verb].leaves(step.words) for step in steps),
        people=people,
        steps=tuple(steps),
    )


def _loaded(document: Written, known: Known) -> Iterator[str]:
    """Whom a step brings to the ward with the insurance that is theirs."""
    for raw in document.steps:
        for verb, form in known.forms.items():
            given = raw.get(verb)
            if form.loads is not None and isinstance(given, dict):
                yield str(given.get(form.loads))


def _written(text: str, findings: Findings) -> tuple[Written, Marked] | None:
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
            _MENDS[broken.problem],
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
    found = converted(loaded, Written, loaded.line, findings)
    return None if found is None else (found, loaded)


def _steps(
    steps: Iterable[Marked], known: Known, people: Mapping[str, Person], begins: datetime, findings: Findings
) -> tuple[list[Step], datetime]:
    """Those that are right, and the instant at which the last has moved the clock."""
    found: list[Step] = []
    now = Present(at=begins)
    names: dict[str, list[str]] = {kind: list(of_kind) for kind, of_kind in known.names.items()}
    names |= {"person": list(people), **{kind: [] for kind in _OF_STEPS}, "here": [str(Path(findings.file).parent)]}
    names |= {f"homes of {name}": person.at for name, person in people.items()}
    for raw in steps:
        step = _step(raw, known, names, findings)
        if step is not None:
            found.append(step)
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
    return found, now.at


def _on_stage(person: Person) -> bool:
    return {WARD, "suginami"} <= set(person.at) and (person.insurance, person.insured_by) == ("given", WARD)


def _step(raw: Marked, known: Known, names: Mapping[str, Collection[str]], findings: Findings) -> Step | None:
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
    words = converted(given, form.words, line, findings)
    before = len(findings.found)
    if words is not None:
        _check_words(given, words, form, names, findings)
    right = words if len(findings.found) == before else None
    _check_expect(expect, right, form, names, findings)
    if name is not None and (not isinstance(name, str) or not NAME.fullmatch(name) or name in names["step"]):
        findings.add(
            raw.line_of("as"),
            "name_form",
            f"as: 「{shown(name)}」",
            "ほかの手順にない、英小文字の名前にしてください / a new name in lower-case letters",
        )
    return None if words is None else Step(line=line, verb=verb, words=words, expect=dict(expect), name=name)


def _check_words(
    given: Marked, words: Words, form: Form, names: Mapping[str, Collection[str]], findings: Findings
) -> None:
    """Every text that must name something does: one, a list of them, or the keys of a mapping; and the fields fit each other."""
    written = {one.name: one.encode_name for one in msgspec.structs.fields(form.words)}
    for key, kind in form.refers.items():
        value = getattr(words, key)
        if isinstance(value, list):
            findings.once(given.line_of(written[key]), written[key], value)
        for one in [] if value is None else [value] if isinstance(value, str) else value:
            if one not in names[kind]:
                findings.unknown(given.line_of(written[key]), kind, one, names[kind])
    for key, only in form.only.items():
        if written[key] in given and not only.when(words):
            what = f"{written[key]} はこの手順では何も言いません / says nothing in this step"
            findings.add(given.line_of(written[key]), "says_nothing", what, only.mend)
    for wrong in form.fits(words, names):
        key = written[wrong.key]
        _add_unfit(wrong, key, given.line_of(key), findings)


def _add_unfit(wrong: Unfit, key: str, line: int, findings: Findings) -> None:
    if wrong.mend is None:
        findings.unknown(line, wrong.kind, wrong.name, wrong.known)
    else:
        kind = KINDS.get(wrong.kind, wrong.kind)
        findings.add(line, "form", f"{key}: {kind}「{shown(wrong.name)}」", wrong.mend)


def _check_expect(
    expect: Marked, words: Words | None, form: Form, names: Mapping[str, Collection[str]], findings: Findings
) -> None:
    """`words`: of the step, None when something of them is wrong."""
    for key, value in expect.items():
        told = form.tells.get(key)
        if told is None:
            findings.unknown(expect.line_of(key), "result", key, form.tells)
        elif told.several and not isinstance(value, list):
            findings.add(
                expect.line_of(key),
                "form",
                f"{key} は並びです / a list",
                f"{key}: [{shown(value)}] と書いてください / write it so",
            )
        else:
            for one in value if told.several else [value]:
                _check_told(one, told, expect.line_of(key), names, findings)
    for wrong in form.contrary(expect, words) if words is not None else ():
        _add_unfit(wrong, wrong.key, expect.line_of(wrong.key), findings)


def _check_told(value: Any, told: Told, line: int, names: Mapping[str, Collection[str]], findings: Findings) -> None:
    if value is None:
        return
    if told.kind in {"flag", "count"}:
        if not isinstance(value, int) or isinstance(value, bool) != (told.kind == "flag"):
            mend = "true か false です / true or false" if told.kind == "flag" else "整数です / a whole number"
            findings.add(line, "form", f"{KINDS[told.kind]}「{shown(value)}」/ a {told.kind}", mend)
        elif told.kind == "count" and not told.least <= value <= told.most:
            mend = f"{told.least}〜{told.most} です / {told.least} to {told.most}"
            findings.add(line, "form", f"{KINDS[told.kind]}「{shown(value)}」/ a {told.kind}", mend)
        return
    known = [*told.words, *names.get(told.kind, ())]
    if value not in known:
        findings.unknown(line, told.kind, value, known)
