"""Verbs of people: a number that changes, and a wrong link that is made, found and undone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final, Literal

from gateway.demonstration.callers import BusinessSystem
from gateway.demonstration.stage import WARD, fresh_key
from gateway.scenarios.driver import INSURANCE, RESIDENTS, until
from gateway.scenarios.play import Play, StepFailedError, Verb
from gateway.scenarios.scenario import Form, Names, Told, Unfit, Words
from gateway.scenarios.vocabulary import DECISION, REASON, ROW_OUTCOME
from permission_lists.versions import legal_day

DECIDED: Final = frozenset({"done", "voided", "rejected", "withdrawn"})


class NewNumber(Words, frozen=True, kw_only=True):
    """番号変更: somebody gets another 個人番号, at the resident network and by a notification at the ward."""

    about: str


class Mislink(Words, frozen=True, kw_only=True):
    """誤紐付け: the insurance system brings `about` under the number of `under`; two members of staff wave it through."""

    about: str
    under: str


class Repair(Words, frozen=True, kw_only=True):
    """A wrong link: `freeze` at once, or `split` it, with `about` under their own number from now on."""

    about: str
    under: str
    does: Literal["freeze", "split"]


class Recipients(Words, frozen=True, kw_only=True):
    """Which agencies were given data under the number of somebody."""

    about: str


def stated(affair: str, staff: str = "a.sato") -> dict[str, str]:
    """Who calls, for what affair and why."""
    return {"staff": staff, "affair": affair, "reason": "届出の確認"}


async def number(play: Play, words: NewNumber) -> dict[str, Any]:
    """`outcome`: what became of the change at the ward."""
    driver, person = play.driver, play.people[words.about]
    new = play.crowd(1 + len(play.people) + list(play.people).index(words.about))[-1].individual_number
    today = legal_day(driver.running.clock()).isoformat()
    change = {"individual_number": person.individual_number, "new_individual_number": new, "changed_on": today}
    async with driver.stage.staff("resident-network", "resident-network") as staff:
        told = (await staff.items("/population/changes", [change]))[0]
    if "changed" not in told:
        raise StepFailedError("the resident network did not change the number")
    item = {
        "event_id": f"scenario-{play.block}-{words.about}", "addressee_number": driver.number(RESIDENTS, person),
        "kind": "individual_number_change", "effective_on": today, "individual_number": new,
    }  # fmt: skip
    async with driver.stage.system(RESIDENTS) as residents:
        answer = await residents.post("/v1/person-changes", {**stated("resident-changes"), "items": [item]})
    play.people = {**play.people, words.about: replace(person, individual_number=new)}
    return {"outcome": answer["items"][0]["outcome"], "reason": answer["items"][0]["reason"]}


async def mislink(play: Play, words: Mislink) -> dict[str, Any]:
    """`outcome` of the row, `state` of the decision to link it all the same; the records of `about` go under it."""
    driver, child, parent = play.driver, play.people[words.about], play.people[words.under]
    row = driver.row(INSURANCE, child, parent.individual_number)
    async with driver.stage.system(INSURANCE) as kokuho:
        result = (await kokuho.post("/v1/addressees", {"items": [row]}))["items"][0]
    async with driver.stage.system(RESIDENTS) as residents:
        holds = (await residents.post("/v1/holds", stated("addressee-care")))["items"]
        if result["outcome"] != "held" or not holds:
            raise StepFailedError("the row was not held")
        asked = {"hold_id": holds[-1]["hold_id"], "action": "link"}  # in the order in which they came
        state = await _decided(residents, "/v1/holds/decide", "/v1/holds/approve", asked)
        integrated = await integrated_number(play, residents, words.under)
    await driver.load_records(INSURANCE, driver.insurance(child), f"mislinked-{play.block}.ndjson", agency=WARD)
    await until(lambda: _copies(play, integrated), bool)
    return {"outcome": result["outcome"], "reason": result["reason"], "state": state}


async def _copies(play: Play, integrated: str) -> int:
    """How many copies the ward's intermediate server holds under a number."""
    async with play.driver.administrator() as connection:
        await connection.execute("select set_config('search_path', $1, false)", f"a_{WARD}_intermediate")
        found: int = await connection.fetchval("select count(*) from replica where integrated_number = $1", integrated)
    return found


async def repair(play: Play, words: Repair) -> dict[str, Any]:
    """`state` of the decision at its end."""
    driver, child = play.driver, play.people[words.about]
    async with driver.stage.system(RESIDENTS) as residents:
        asked: dict[str, Any] = {"integrated_number": await integrated_number(play, residents, words.under)}
        if words.does == "freeze":
            frozen = await residents.post("/v1/links/freeze", {**stated("addressee-care"), **asked})
            return {"state": frozen["state"]}
        asked["addressees"] = [{"business_system": INSURANCE, "addressee_number": driver.number(INSURANCE, child)}]
        asked["right"] = {"individual_number": child.individual_number}
        return {"state": await _decided(residents, "/v1/links/split", "/v1/links/approve", asked)}


async def recipients(play: Play, words: Recipients) -> dict[str, Any]:
    """`agencies`, each once."""
    async with play.driver.stage.system(RESIDENTS) as residents:
        asked = {
            "integrated_number": await integrated_number(play, residents, words.about),
            "since": "2022-01-01T00:00:00Z",
        }
        answer = await residents.post("/v1/persons/recipients", {**stated("addressee-care"), **asked})
    return {"agencies": answer["agencies"]}


async def integrated_number(play: Play, residents: BusinessSystem, name: str) -> str:
    """The integrated number of somebody whom the residents' system holds: registering the same row again says it."""
    person = play.people[name]
    row = play.driver.row(RESIDENTS, person)
    number: str = (await residents.post("/v1/addressees", {"items": [row]}))["items"][0]["integrated_number"]
    return number


async def _decided(residents: BusinessSystem, path: str, approve: str, asked: Mapping[str, Any]) -> str:
    """Proposed by one member of staff, approved by another, and carried out; the state in which it ends."""
    decision = await residents.post(path, {**stated("addressee-care"), **asked}, key=fresh_key())
    wanted = {"decision_id": decision["decision_id"], "content_hash": decision["content_hash"]}
    await residents.post(approve, {**stated("addressee-care", "b.mori"), **wanted})
    shown = {**stated("addressee-care"), "decision_id": decision["decision_id"]}
    found = await until(lambda: residents.post("/v1/links/show", shown), lambda one: one["state"] in DECIDED)
    return str(found["state"])


def _is_of_another(words: Mislink, _names: Names) -> Iterator[Unfit]:
    if words.about == words.under:
        mend = "ほかの人の番号にしてください / the number of somebody else"
        yield Unfit(
            "under", "本人の番号で、誤りではない / their own number, which is no wrong link", words.under, mend=mend
        )


def _is_split_from_another(words: Repair, names: Names) -> Iterator[Unfit]:
    if words.does == "split":
        yield from _is_of_another(Mislink(about=words.about, under=words.under), names)


_PAIR: Final = {"about": "person", "under": "person"}
VERBS: Final[Mapping[str, Verb]] = {
    "new-number": Verb(
        form=Form(words=NewNumber, tells={"outcome": ROW_OUTCOME, "reason": REASON}, refers={"about": "person"}),
        play=number,
    ),
    "mislink": Verb(
        form=Form(
            words=Mislink,
            tells={"outcome": ROW_OUTCOME, "reason": REASON, "state": DECISION},
            refers=_PAIR,
            fits=_is_of_another,
            loads="about",
        ),
        play=mislink,
    ),
    "repair": Verb(
        form=Form(words=Repair, tells={"state": DECISION}, refers=_PAIR, fits=_is_split_from_another), play=repair
    ),
    "recipients": Verb(
        form=Form(words=Recipients, tells={"agencies": Told("agency", several=True)}, refers={"about": "person"}),
        play=recipients,
    ),
}
