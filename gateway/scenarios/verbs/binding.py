"""Verbs of binding a 個人番号 to a person: a form that comes in, a file whose numbers have slipped, a search, and a decision of two people (SC-18)."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from msgspec import Meta, field

from codebook.four_items import Sex
from gateway.demonstration.callers import BusinessSystem, UnexpectedAnswerError
from gateway.demonstration.stage import SEED, WARD, fresh_key
from gateway.linkage_server.addressees.rows import is_date
from gateway.scenarios.driver import INSURANCE, RESIDENTS, until
from gateway.scenarios.play import Play, StepFailedError, Verb
from gateway.scenarios.scenario import FLAG, Form, Names, Only, Told, Unfit, Words
from gateway.scenarios.verbs.people import DECIDED, integrated_number, stated
from gateway.scenarios.vocabulary import DECISION, REASON, ROW_OUTCOME
from synthetic.files import write_resident_file
from synthetic.rows import Addressees, resident_rows, unharmed

_CARE: Final = "addressee-care"
_PROPOSER, _SECOND = "a.sato", "b.mori"
_PATIENCE_S: Final = 60.0
Item = Literal["name", "kana", "sex", "birth_date", "address"]


class Bring(Words, frozen=True, kw_only=True):
    """届出: the insurance system brings a form of `about`, under `numbered`'s 個人番号 or none, with the items of `items_of`, some of them other."""

    about: str
    numbered: str | None = None
    items_of: str | None = None
    without_number: bool = False
    but: Mapping[Item, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raises ValueError for an item that nobody can have: the server would not read the row at all."""
        said = {str(name): text for name, text in self.but.items()}
        if not is_date(said.get("birth_date", "2000-01-01")):
            raise ValueError('birth_date は "2015-07-07" のような、ある日です / a day that there is')
        if said.get("sex", Sex.UNKNOWN) not in {*Sex}:
            raise ValueError(f"sex は {'、'.join(Sex)} のどれかです / one of these")


class Propose(Words, frozen=True, kw_only=True):
    """What a member of staff proposes about a form (`of`: the step that brought it): to link the held row or not, or to `join` its person to that of `under`."""

    of: str
    does: Literal["link", "keep_as_new", "refuse", "join"]
    under: str | None = None


class Approve(Words, frozen=True, kw_only=True):
    """`of`: an earlier `propose`, approved by its proposer or by a second member of staff."""

    of: str
    by: Literal["proposer", "second"] = "second"


class Find(Words, frozen=True, kw_only=True):
    """The residents' system looks for people by these keys of `about`."""

    about: str
    by: Annotated[list[Item], Meta(min_length=1)]


class Slipped(Words, frozen=True, kw_only=True):
    """A bulk job: a file in which every 個人番号 stands one row too low."""

    lines: Annotated[int, Meta(ge=2, le=10_000)] = 300


def _items(play: Play, words: Bring) -> dict[str, str]:
    driver = play.driver
    row = driver.row(INSURANCE, play.people[words.items_of or words.about])
    number = "" if words.without_number else play.people[words.numbered or words.about].individual_number
    own = {"addressee_number": driver.number(INSURANCE, play.people[words.about]), "individual_number": number}
    return row | own | {str(name): text for name, text in words.but.items()}


async def bring(play: Play, words: Bring) -> dict[str, Any]:
    """What became of the row; `joins`: the name of whom its number leads to, `nobody` for a number of its own."""
    async with play.driver.stage.system(INSURANCE) as kokuho:
        result = (await kokuho.post("/v1/addressees", {"items": [_items(play, words)]}))["items"][0]
    number = result.get("integrated_number")
    joins = await _whose(play, [words.numbered, words.items_of], number) if number else None
    return {
        "outcome": result["outcome"],
        "reason": result["reason"],
        "joins": joins,
        "_": {"number": number, "form_of": words.about},
    }


async def _whose(play: Play, names: Sequence[str | None], number: str) -> str:
    async with play.driver.stage.system(RESIDENTS) as residents:
        for name in names:
            known = name is not None and WARD in play.scenario.people[name].at
            if name is not None and known and await integrated_number(play, residents, name) == number:
                return name
    return "nobody"


async def _refusal(call: Any) -> dict[str, Any] | str:
    """The answer, or the reason why there is none."""
    try:
        answer: dict[str, Any] = await call
    except UnexpectedAnswerError as refused:
        return str(refused).rpartition(" ")[2]
    return answer


async def propose(play: Play, words: Propose) -> dict[str, Any]:
    """`state` of the decision, or the `reason` why there is none."""
    form = play.seen[words.of].get("_", {})
    if "form_of" not in form:
        raise StepFailedError("the step named in `of` brought no form")
    async with play.driver.stage.system(RESIDENTS) as residents:
        if words.does == "join":
            if words.under is None or form["number"] is None:
                raise StepFailedError("join needs `under`, and a form that was not held")
            other = await integrated_number(play, residents, words.under)
            path, asked = "/v1/links/propose", {"integrated_number": form["number"], "other_integrated_number": other}
        else:
            hold = await _hold_of(play, residents, form["form_of"])
            path, asked = "/v1/holds/decide", {"hold_id": hold, "action": words.does}
        answer = await _refusal(residents.post(path, {**stated(_CARE, _PROPOSER), **asked}, key=fresh_key()))
    if isinstance(answer, str):
        return {"state": None, "reason": answer}
    approval = "/v1/links/approve" if words.does == "join" else "/v1/holds/approve"
    kept = {"approval": approval, "decision_id": answer["decision_id"], "content_hash": answer["content_hash"]}
    return {"state": answer["state"], "reason": None, "_": kept}


async def _hold_of(play: Play, residents: BusinessSystem, name: str) -> str:
    """The newest hold of the form."""
    wanted = play.driver.number(INSURANCE, play.people[name])
    held: list[str] = []
    after: str | None = ""
    while after is not None:
        page = await residents.post("/v1/holds", {**stated(_CARE, _PROPOSER), "after": after, "limit": 200})
        held += [one["hold_id"] for one in page["items"]]
        after = page["after"]
    for hold_id in reversed(held):
        shown = await residents.post("/v1/holds/show", {**stated(_CARE, _PROPOSER), "hold_id": hold_id})
        if shown["addressee_number"] == wanted:
            return hold_id
    raise StepFailedError("no form of this person is held")


async def approve(play: Play, words: Approve) -> dict[str, Any]:
    """`state` in which the decision ends, or the `reason` why the approval was refused."""
    before = play.seen[words.of].get("_", {})
    if "approval" not in before:
        raise StepFailedError("the step named in `of` proposed nothing")
    wanted = {name: before[name] for name in ("decision_id", "content_hash")}
    staff = _PROPOSER if words.by == "proposer" else _SECOND
    async with play.driver.stage.system(RESIDENTS) as residents:
        answer = await _refusal(residents.post(before["approval"], {**stated(_CARE, staff), **wanted}))
        if isinstance(answer, str):
            return {"state": None, "reason": answer}
        shown = {**stated(_CARE, staff), "decision_id": before["decision_id"]}
        found = await until(lambda: residents.post("/v1/links/show", shown), lambda one: one["state"] in DECIDED)
    return {"state": found["state"], "reason": None}


async def find(play: Play, words: Find) -> dict[str, Any]:
    """`found`: whether `about` is among those found, null when the search was refused, with the `reason`."""
    row = play.driver.row(RESIDENTS, play.people[words.about])
    keys = {name: row[name] for name in words.by}
    async with play.driver.stage.system(RESIDENTS) as residents:
        number = await integrated_number(play, residents, words.about)
        answer = await _refusal(residents.post("/v1/persons/search", {**stated(_CARE), **keys}))
    if isinstance(answer, str):
        return {"found": None, "reason": answer}
    return {"found": any(one["integrated_number"] == number for one in answer["items"]), "reason": None}


async def slipped(play: Play, words: Slipped) -> dict[str, Any]:
    """`reason` why the file was turned away as a whole, and whether it left `anybody` behind."""
    driver, people = play.driver, play.crowd(words.lines)
    await driver.populate(people)
    below = [*people[1:], people[0]]
    wrong = [
        replace(one, individual_number=next_one.individual_number) for one, next_one in zip(people, below, strict=True)
    ]
    folder = driver.stage.spool("linkage", WARD, INSURANCE, "addressees")
    name = f"slipped-{play.block}.csv"
    numbers = Addressees(SEED, INSURANCE)
    await asyncio.to_thread(write_resident_file, folder / "in" / name, unharmed(resident_rows(wrong, numbers)))
    reason = await _turned_away(folder, name)
    async with driver.administrator() as connection:
        await connection.execute("select set_config('search_path', $1, false)", f"a_{WARD}_linkage")
        held: int = await connection.fetchval(
            "select count(*) from addressee where business_system_id = $1 and addressee_number = any($2::text[])",
            INSURANCE,
            [numbers.number(person) for person in people],
        )
    return {"reason": reason, "anybody": held > 0}


async def _turned_away(folder: Path, name: str) -> str | None:
    """Why a file failed as a whole; None when it went through."""
    done, failed = folder / "done" / f"{name}.manifest.json", folder / "failed" / f"{name}.reason.json"
    for _ in range(int(_PATIENCE_S / 0.1)):
        if await asyncio.to_thread(failed.exists):
            reason: str = json.loads(await asyncio.to_thread(failed.read_bytes))["reason"]
            return reason
        if await asyncio.to_thread(done.exists):
            return None
        await asyncio.sleep(0.1)
    raise StepFailedError("the file did not come through in time")


def _joins_somebody(words: Propose, names: Names) -> Iterator[Unfit]:
    if words.does == "join" and words.under is None:
        yield Unfit("under", "person", "", names["person"])


def _is_by_different_items(words: Find, _names: Names) -> Iterator[Unfit]:
    for name, times in Counter(words.by).items():
        if times > 1:
            yield Unfit(
                "by", "二度ある項目 / an item that stands twice", name, mend="一つにしてください / leave one of them"
            )


VERBS: Final[Mapping[str, Verb]] = {
    "bring": Verb(
        form=Form(
            words=Bring,
            tells={"outcome": ROW_OUTCOME, "reason": REASON, "joins": Told("person", ("nobody",))},
            makes="form",
            only={
                "numbered": Only(
                    lambda words: not words.without_number,
                    "numbered か without_number の一方だけを / one of numbered and without_number",
                )
            },
            refers={"about": "person", "numbered": "person", "items_of": "person"},
        ),
        play=bring,
    ),
    "propose": Verb(
        form=Form(
            words=Propose,
            tells={"state": DECISION, "reason": REASON},
            makes="decision",
            refers={"of": "form", "under": "person"},
            only={
                "under": Only(
                    lambda words: words.does == "join", "does: join だけが使います / does: join alone uses it"
                )
            },
            fits=_joins_somebody,
        ),
        play=propose,
    ),
    "approve": Verb(
        form=Form(words=Approve, tells={"state": DECISION, "reason": REASON}, refers={"of": "decision"}), play=approve
    ),
    "find": Verb(
        form=Form(
            words=Find, tells={"found": FLAG, "reason": REASON}, refers={"about": "person"}, fits=_is_by_different_items
        ),
        play=find,
    ),
    "slipped": Verb(form=Form(words=Slipped, tells={"reason": REASON, "anybody": FLAG}), play=slipped),
}
