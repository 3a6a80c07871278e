"""Verbs of the exchange: ask, look, decide what is held, and what the parties have on record."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Final, Literal

from msgspec import Meta, field

from evidence.entry import EntryKind
from evidence.findings import FindingName
from gateway.demonstration.callers import UnexpectedAnswerError
from gateway.demonstration.exchanging import canonical, loaded
from gateway.demonstration.stage import WARD, fresh_key
from gateway.scenarios.driver import insisting, until
from gateway.scenarios.play import HELD_BY, Play, StepFailedError, Verb, records_of, unemployment
from gateway.scenarios.scenario import FLAG, Form, Names, Only, Told, Unfit, Words
from gateway.scenarios.vocabulary import (
    ENTRIES,
    FINDINGS,
    MATCH,
    OUTCOME,
    REASON,
    REASONS,
    STATE,
    VALUES,
    contrary,
    not_written,
)
from synthetic.business import MEDICAL_INSURANCE, BusinessRecord

_HALF_WAY_S: Final = 10.0
_TOLD: Final[Mapping[str, Told]] = {
    "state": STATE,
    "outcome": OUTCOME,
    "reason": REASON,
    "values": VALUES,
    "match": MATCH,
}


class Ask(Words, frozen=True, kw_only=True):
    """情報照会: `asker`, an agency or a business system, asks `of` about a person under an item. `wait`: see it to its end.

    `stead`: the agency in whose stead it asks (委任元). `non_disclosure`: the person must not learn of it (番号法23条2項).
    """

    about: str
    item: str
    asker: str = field(name="from")
    stead: str | None = field(name="for", default=None)
    of: str = WARD
    information: str | None = None
    items: list[str] = field(default_factory=list)
    basis: str | None = None
    wait: bool = True
    non_disclosure: bool = False


class Of(Words, frozen=True, kw_only=True):
    """`of`: an earlier `ask`."""

    of: str


class Repeat(Words, frozen=True, kw_only=True):
    """The same call with the same Idempotency-Key."""

    of: str


class Held(Words, frozen=True, kw_only=True):
    """保留: staff of the provider look at what is held of an inquiry, and let it go or refuse it, for a reason (`why`)."""

    of: str
    does: Literal["show", "release", "refuse"]
    why: Literal["non_disclosure", "protection_of_person", "refused_by_staff"] = "non_disclosure"


class Recorded(Words, frozen=True, kw_only=True):
    """情報提供等記録: what one party has on record about an inquiry."""

    of: str
    by: str


class Agree(Words, frozen=True, kw_only=True):
    """Every party's log verified, and compared line by line."""

    parties: Annotated[list[str], Meta(min_length=1)]


def _question(play: Play, words: Ask) -> dict[str, Any]:
    asked: dict[str, Any] = {
        "addressee_number": play.driver.number(play.system(words.asker), play.people[words.about]),
        "provider": words.of,
        "item": words.item,
        "information": words.information or HELD_BY.get(words.of, MEDICAL_INSURANCE),
        "items": words.items,
        "purpose": "シナリオの照会",
        "staff": "scenario-staff",
    }
    more = {"basis": words.basis, "inquirer_for": words.stead, "non_disclosure": words.non_disclosure or None}
    return asked | {name: said for name, said in more.items() if said is not None}


def _records(play: Play, words: Ask) -> Sequence[BusinessRecord]:
    person = play.people[words.about]
    if words.of == "kosei-rodo":
        return list(unemployment(play.driver, person))
    return [one for one in records_of(play.scenario, play.people, play.driver, words.of) if _is_about(play, one, words)]


def _is_about(play: Play, record: BusinessRecord, words: Ask) -> bool:
    return record.addressee_number == play.driver.number(record.system, play.people[words.about])


def _told(play: Play, words: Ask, answer: Mapping[str, Any]) -> dict[str, Any]:
    values = "none"
    if answer.get("values"):
        right = canonical(answer["values"]) == canonical(loaded(_records(play, words), words.items))
        values = "as_loaded" if right else "other"
    match = (answer.get("match") or {}).get("result")
    return {name: answer[name] for name in ("state", "outcome", "reason")} | {"values": values, "match": match}


def _remember(play: Play, words: Ask, question: dict[str, Any], key: str, answer: Mapping[str, Any]) -> dict[str, Any]:
    number = answer.get("inquiry_number")
    if number is not None:
        play.numbers.add(number)
    return {"asked": words, "question": question, "key": key, "number": number}


async def ask(play: Play, words: Ask) -> dict[str, Any]:
    """The told result, and beside it (under `_`) what later steps need."""
    return await _asked(play, words, _question(play, words), fresh_key())


async def _asked(play: Play, words: Ask, question: dict[str, Any], key: str) -> dict[str, Any]:
    driver, system = play.driver, play.system(words.asker)
    if words.wait:
        answer = await driver.ask(system, question, key=key)
    else:
        async with driver.stage.system(system) as caller:
            answer = (await insisting(lambda: caller.inquire([question], wait_ms=200, key=key)))[0]
            number = answer["inquiry_number"]
            if answer["state"] == "registered":  # until it is on its way: permitted, and presented once
                answer = await until(lambda: driver.result(caller, number), lambda one: one["state"] != "registered", 8)
    return {**_told(play, words, answer), "_": _remember(play, words, question, key, answer)}


def _earlier(play: Play, name: str) -> dict[str, Any]:
    found: dict[str, Any] | None = play.seen[name].get("_")
    if found is None or "asked" not in found:
        raise StepFailedError("the step named in `of` asked nothing")
    return found


async def repeat(play: Play, words: Repeat) -> dict[str, Any]:
    """`same`: whether it is the same inquiry."""
    before = _earlier(play, words.of)
    found = await _asked(play, before["asked"], before["question"], before["key"])
    return {**found, "same": found["_"]["number"] == before["number"]}


async def result(play: Play, words: Of) -> dict[str, Any]:
    """Wait until an inquiry has ended."""
    before = _earlier(play, words.of)
    start = {"state": "sent", "inquiry_number": before["number"]}
    answer = await play.driver.settled(play.system(before["asked"].asker), start)
    return _told(play, before["asked"], answer)


async def look(play: Play, words: Of) -> dict[str, Any]:
    """How it stands with an inquiry now."""
    before = _earlier(play, words.of)
    answer = await play.driver.look(play.system(before["asked"].asker), before["number"])
    return _told(play, before["asked"], answer)


async def held(play: Play, words: Held) -> dict[str, Any]:
    """`would_leave`: whether what staff are shown is what was loaded; `told`: what the server said to the decision."""
    before = _earlier(play, words.of)
    asked: Ask = before["asked"]
    agency = asked.of
    listed = await play.driver.held(agency, before["number"])
    async with play.driver.provider_staff(agency) as staff:
        shown = (await staff.items(f"/{agency}/held-provisions", [{"permit_id": listed["permit_id"]}]))[0]
    right = canonical(shown["would_leave"]) == canonical(loaded(_records(play, asked), asked.items))
    told = None
    if words.does != "show":
        try:
            await play.driver.decide(agency, shown, approve=words.does == "release", reason=words.why)
            told = "released" if words.does == "release" else "refused"
        except UnexpectedAnswerError as problem:
            told = str(problem).rsplit(" ", 1)[-1]
    return {"would_leave": "as_loaded" if right else "other", "told": told}


async def recorded(play: Play, words: Recorded) -> dict[str, Any]:
    """Kinds and reasons in the order of the log; a record whose body went after seven years is `erased`.

    `for`: in whose stead the inquirer asked, by each of them. Readings of the result are left out: the play reads it while it waits.
    """
    number = _earlier(play, words.of)["number"]
    logged = await play.driver.log_search(words.by, number)
    found = [one for one in logged if one["kind"] != EntryKind.RESULT_READ]
    return {
        "kinds": ["erased" if one.get("erased") else one["kind"] for one in found],
        "reasons": [one.get("reason") for one in found],
        "for": [one.get("inquirer_for") for one in found],
    }


async def agree(play: Play, words: Agree) -> dict[str, Any]:
    """`findings`: the names of what the verifier and the comparison find; of other scenarios' inquiries nothing.

    An exchange that is half-way while the logs are exported lacks a record for that reason alone: it is waited for.
    """

    async def found() -> set[str]:
        findings = play.driver.findings(await play.driver.exports(*words.parties))
        return {one.name.value for one in findings if one.inquiry_number in {None, *play.numbers}}

    lacking = FindingName.MISSING_RECORD.value
    return {"findings": sorted(await until(found, lambda names: lacking not in names, _HALF_WAY_S))}


def _asks_once(words: Ask, _names: Names) -> Iterator[Unfit]:
    for name, times in Counter(words.items).items():
        if times > 1:
            yield Unfit(
                "items", "二度ある項目 / an item that stands there twice", name, mend="一つにしてください / once"
            )


_DECIDED: Final = Told("reason", ("released", "refused"))
_ASKED: Final[Mapping[str, Told]] = {**_TOLD, "same": FLAG}
_OF: Final = {"of": "inquiry"}
VERBS: Final[Mapping[str, Verb]] = {
    "ask": Verb(
        form=Form(
            words=Ask,
            tells=_TOLD,
            makes="inquiry",
            refers={"about": "person", "asker": "asking", "stead": "agency", "of": "agency"},
            fits=_asks_once,
            contrary=contrary,
        ),
        play=ask,
    ),
    "ask-again": Verb(
        form=Form(words=Repeat, tells=_ASKED, makes="inquiry", refers=_OF, contrary=contrary), play=repeat
    ),
    "result": Verb(form=Form(words=Of, tells=_TOLD, refers=_OF, contrary=contrary), play=result),
    "look": Verb(form=Form(words=Of, tells=_TOLD, refers=_OF, contrary=contrary), play=look),
    "held": Verb(
        form=Form(
            words=Held,
            tells={"would_leave": VALUES, "told": _DECIDED},
            refers=_OF,
            only={
                "why": Only(
                    lambda words: words.does == "refuse",
                    "does: refuse だけが理由を言います / a reason goes with does: refuse",
                )
            },
        ),
        play=held,
    ),
    "recorded": Verb(
        form=Form(
            words=Recorded,
            tells={"kinds": ENTRIES, "reasons": REASONS, "for": Told("agency", several=True)},
            refers={**_OF, "by": "party"},
            contrary=not_written,
        ),
        play=recorded,
    ),
    "agree": Verb(form=Form(words=Agree, tells={"findings": FINDINGS}, refers={"parties": "agency"}), play=agree),
}
