"""Reads what stands above the steps of a scenario: what it shows, when it begins, what it cites, and who takes part."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from typing import Annotated, Any, Final

from msgspec import Meta, Struct

from codebook.marked_yaml import Marked
from gateway.clock_command import ClockWordsError, parse_instant
from gateway.scenarios.findings import Findings, converted, shown
from gateway.scenarios.scenario import DEFAULT, Known, Person
from transport.clock import JST

NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,30}")
"""Of a person, or of a step."""
_ARTICLE: Final = re.compile(
    r"(番号法|附則|施行令|施行規則|住基法)[0-9]{1,3}条(の[0-9]{1,2})?([0-9]{1,2}項)?([0-9]{1,2}号)?|[ⅠⅡⅢⅣⅤⅥ]-[0-9]{1,2}|DOMAIN [0-9]{1,2}\.[0-9]{1,2}( \S+)?"
)
_ARTICLES: Final = ("番号法23条2項", "施行令30条", "Ⅱ-5")
"""As what is no requirement is cited."""


class Written(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """A scenario as its file has it; the steps are read by their verbs."""

    scenario: str
    says: str
    steps: list[dict[str, Any]]
    cites: list[str] = []
    seed: Annotated[int, Meta(ge=0, le=2**53)] = 1
    begins: str | None = None
    topology: str = DEFAULT
    people: dict[str, dict[str, Any]] = {}


def check_texts(document: Written, marked: Marked, findings: Findings) -> None:
    for key, text in (("scenario", document.scenario), ("says", document.says)):
        if not text.strip():
            findings.add(
                marked.line_of(key),
                "text_empty",
                f"{key} が空です / {key} says nothing",
                "何を示すシナリオかを書いてください / write what the scenario shows",
            )


def begins_at(document: Written, marked: Marked, known: Known, findings: Findings) -> datetime:
    """When it says, or with the simulation itself; so does one whose `begins` is noted as wrong."""
    if document.begins is None:
        return known.begins
    try:
        begins = parse_instant(document.begins)
    except ClockWordsError as wrong:
        findings.add(marked.line_of("begins"), "instant", f"begins: 「{shown(document.begins)}」", str(wrong))
        return known.begins
    if begins < known.begins:
        findings.add(
            marked.line_of("begins"),
            "instant",
            f"begins: 「{shown(document.begins)}」は模擬の初めより前です / before the simulation itself begins",
            f"{known.begins.astimezone(JST):%Y-%m-%dT%H:%M} より後にするか、除いてください / after that, or leave it out",
        )
    return max(begins, known.begins)


def check_cites(document: Written, marked: Marked, known: Known, findings: Findings) -> None:
    findings.once(marked.line_of("cites"), "cites", document.cites)
    for cite in document.cites:
        if cite not in known.names["cite"] and not _ARTICLE.fullmatch(cite):
            findings.unknown(marked.line_of("cites"), "cite", cite, [*known.names["cite"], *_ARTICLES])


def people_in(people: Any, known: Known, findings: Findings) -> Iterator[tuple[str, Person]]:
    """Somebody of whom something is wrong takes part all the same, so that whoever names them is not wrong for it."""
    for name, written in people.items():
        at = people.line_of(name)
        if not NAME.fullmatch(name):
            findings.add(
                at,
                "name_form",
                f"名前「{shown(name)}」/ a name",
                "英小文字で始まる 31 字までの英小文字・数字・- にしてください / lower-case letters, digits and -",
            )
        person = converted(written, Person, at, findings)
        yield name, person or Person(at=[])
        if person is not None:
            _check_person(person, written, known, findings)


def check_holders(people: Any, read: Mapping[str, Person], loaded: Collection[str], findings: Findings) -> None:
    """What is said to be held of somebody has an agency that holds it: one of `at`, or a step brings it there (`loaded`: whose insurance)."""
    for name, person in read.items():
        for holder, holds in (
            (person.insured_by, person.insurance != "none" and (person.at or name not in loaded)),
            ("naikaku", person.account != "none"),
            ("kosei-rodo", person.unemployment),
        ):
            if holds and holder not in person.at:
                findings.add(
                    people[name].line_of("at"),
                    "holder_missing",
                    f"「{name}」の情報を持つ {holder} が at にありません / {holder} holds it and is not in at",
                    f"at に {holder} を加えてください / add {holder} to at",
                )


def _check_person(person: Person, written: Any, known: Known, findings: Findings) -> None:
    findings.once(written.line_of("at"), "at", person.at)
    for key, of, held in (
        ("holder", "account", person.account),
        ("insured_by", "insurance", person.insurance),
        ("held_for", "insurance", person.insurance),
    ):
        if key in written and held == "none":
            findings.add(
                written.line_of(key),
                "says_nothing",
                f"{key} は {of} のない人には何も言いません / says nothing of somebody without {of}",
                f"{of}: given か barred を加えるか、{key} を除いてください / add {of}, or leave {key} out",
            )
    for agency in person.at:
        if agency not in known.names["home"]:
            findings.unknown(written.line_of("at"), "home", agency, known.names["home"])
    if person.insured_by not in known.names["insurer"]:
        findings.unknown(written.line_of("insured_by"), "insurer", person.insured_by, known.names["insurer"])
    if person.held_for is not None and person.held_for not in known.names["agency"]:
        findings.unknown(written.line_of("held_for"), "agency", person.held_for, known.names["agency"])
