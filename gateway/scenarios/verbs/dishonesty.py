"""Verbs of dishonesty: what a core, a peer or an insider tries, who refuses it, and who has it on record."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Annotated, Any, Final

from msgspec import Meta, field

from adapters.jlis_mock.dishonest import Bend
from evidence.access_analysis import Rule
from evidence.entry import EntryKind
from gateway.demonstration import refusing
from gateway.demonstration.another_vendor import AGENCY
from gateway.demonstration.callers import UnexpectedAnswerError
from gateway.demonstration.refusing import CORE, DESK, INQUIRER, PROVIDER
from gateway.demonstration.scene import Scene
from gateway.demonstration.stage import WARD, fresh_key
from gateway.intermediate_server.inquiry.states import State
from gateway.scenarios import refusals
from gateway.scenarios.driver import RESIDENTS, entries, insisting
from gateway.scenarios.play import Play, StepFailedError, Verb
from gateway.scenarios.scenario import FLAG, Form, Names, Only, Told, Unfit, Words
from gateway.scenarios.vocabulary import REASON, STATE, VALUES, contrary
from keys.box import NONCE_SIZE

_ADMINISTRATOR: Final = "admin-1"
_SOON: Final = timedelta(minutes=1)
_DECIDE: Final = f"/{WARD}/held-provisions/decide"
BENDS: Final = tuple(bend.value for bend in Bend)
_PARTY: Final = Told("party", ("inquirer", "core", "provider", "desk"))
_CATCHES: Final = {State.ABORTED: "inquirer", State.REFUSED: "provider"}
"""How an inquiry ends → who has ended it so, where the core has nothing against what the provider said."""
PARTIES: Final = {INQUIRER: "inquirer", CORE: "core", PROVIDER: "provider", DESK: "desk"}


_NEW_EPOCH: Final = "code-epoch-over"
"""The case for which an agency's codes go to a new epoch."""


class Refused(Words, frozen=True, kw_only=True):
    """A case of the demonstration's table (`gateway.demonstration.refusing`), or of those besides (`gateway.scenarios.refusals`)."""

    case: str


class Peer(Words, frozen=True, kw_only=True):
    """不正な提供者: `asker` asks 架空市長, whose own server answers wrongly (`adapters.jlis_mock.dishonest.Bend`)."""

    act: str
    about: str
    asker: str = field(name="from", default="suginami")


class Insider(Words, frozen=True, kw_only=True):
    """不正な職員: `act` is one of `INSIDERS`; `of`: an earlier `ask` that is held, where the act is about one."""

    act: str
    of: str | None = None
    about: str | None = None


class Analysed(Words, frozen=True, kw_only=True):
    """アクセスログの分析: what an administrator of `agency` is told of the last `days` (SC-12)."""

    agency: str
    days: Annotated[int, Meta(ge=1, le=366)] = 1


async def refused(play: Play, words: Refused) -> dict[str, Any]:
    """`reason`; `by`: who must refuse it; `recorded`: in whose logs the reason stands once more."""
    scene = await play.scene()
    found = next(case for case in _cases(scene) if case.name == words.case)
    refusal, recorded = await refusing.staged(scene, found)
    return {
        "reason": refusal.reason,
        "by": PARTIES[found.by],
        "recorded": sorted(PARTIES[party] for party in recorded),
    }


async def peer(play: Play, words: Peer) -> dict[str, Any]:
    """What the inquirer has of it: `permitted` when the core takes it for no answer. `by`: who caught it, and why; `recorded`: whether that is in their log."""
    scene, system = await play.scene(), play.system(words.asker)
    provider, question = scene.vendor.provider, play.driver.to_the_ward(play.people[words.about], system)
    question |= {"provider": AGENCY, "item": "42", "items": ["被保険者番号"]}
    provider.bend = Bend(words.act)
    try:
        async with play.driver.stage.system(system) as caller:
            answer = (await insisting(lambda: caller.inquire([question], wait_ms=3_000, key=fresh_key())))[0]
    finally:
        provider.bend = None
    number = answer["inquiry_number"]
    play.numbers.add(number)
    at_core = await play.driver.log_search("network", number)
    by: str | None
    caught = [one["reason"] for one in at_core if one["kind"] == EntryKind.PERMIT_REFUSED and one["actor"] == AGENCY]
    if caught:
        by, reason, recorded = "core", caught[0], True
    else:
        log = await play.driver.log_search(agency_of(play, words.asker), number)
        by, reason = _CATCHES.get(answer["state"]), answer["reason"]
        ends = [one for one in log if one["kind"].startswith(f"inquiry.{answer['state']}")]
        recorded = reason is not None and any(one["reason"] == reason for one in ends)
    values = "other" if answer["values"] else "none"
    return {"state": answer["state"], "reason": reason, "by": by, "values": values, "recorded": recorded}


def agency_of(play: Play, asker: str) -> str:
    """The agency whose business system this is, or which it is."""
    agencies = play.driver.running.topology.agencies.values()
    return next(one.id for one in agencies if asker in {one.id, *(system.id for system in one.systems)})


def case_names() -> list[str]:
    """The names of all cases; nothing is staged for that."""
    nobody: Scene = object.__new__(Scene)
    return [case.name for case in _cases(nobody)]


def _cases(scene: Scene) -> list[refusing.Case]:
    return [*refusing.cases(scene), *refusals.cases(scene)]


async def _reason_of(call: Awaitable[Any]) -> str | None:
    try:
        await call
    except UnexpectedAnswerError as problem:
        return str(problem).rsplit(" ", 1)[-1]
    return None


async def _releases_alone(play: Play, words: Insider) -> dict[str, Any]:
    """One member of staff approves twice where two people must (SC-4)."""
    held = await play.driver.held(WARD, _number(play, words))
    async with play.driver.provider_staff(WARD) as staff:
        seen = await play.driver.seen(staff, WARD, held)
        item = {"permit_id": held["permit_id"], "approve": True, "content_hash": seen["content_hash"], "reason": ""}
        await staff.items(_DECIDE, [item])
        return await _tried(play, staff.items(_DECIDE, [item]))


async def _releases_what_he_did_not_see(play: Play, words: Insider) -> dict[str, Any]:
    """Approves a content hash that is not of what would leave."""
    held = await play.driver.held(WARD, _number(play, words))
    item = {"permit_id": held["permit_id"], "approve": True, "content_hash": "0" * 64, "reason": ""}
    async with play.driver.provider_staff(WARD, "staff-2") as staff:
        return await _tried(play, staff.items(_DECIDE, [item]))


async def _gives_himself_rights(play: Play, _words: Insider) -> dict[str, Any]:
    """Somebody without the right administers staff (SC-11)."""
    item = {"operation": "unlock", "staff_id": "staff-1"}
    async with play.driver.provider_staff(WARD) as staff:
        return await _tried(play, staff.items(f"/{WARD}/staff/members", [item]))


async def _sets_other_peoples_faults(play: Play, _words: Insider) -> dict[str, Any]:
    """Staff of the ward call the control port of the network."""
    async with play.driver.stage.staff(WARD, "network") as staff:
        reason = await _reason_of(staff.post("/control", {"permit_anything": 1}))
    log = entries(await play.driver.export("network"), kind="access.refused")
    return {"reason": reason, "recorded": any(one["reason"] == reason for one in log)}


async def _asks_about_a_stranger(play: Play, words: Insider) -> dict[str, Any]:
    """A business system asks about somebody whom it does not hold."""
    person = play.people[words.about] if words.about else play.crowd(1)[0]
    answer = await play.driver.ask(RESIDENTS, play.driver.from_the_ward(person))
    log = entries(await play.driver.linkage_log(), kind="inquiry.refused")
    return {"reason": answer["reason"], "recorded": any(one["reason"] == answer["reason"] for one in log)}


async def _lifts_a_flag_in_the_database(play: Play, words: Insider) -> dict[str, Any]:
    """Who can write the database turns over the one bit by which what was held of somebody would answer by itself: the seal does not open (SC-4)."""
    number, question = _number(play, words), play.seen[words.of or ""]["_"]["question"]
    turned = (
        "update replica set sealed = set_byte(sealed, $2, get_byte(sealed, $2) # 1)"
        " where integrated_number = (select integrated_number from provision where inquiry_number = $1)"
    )
    async with play.driver.administrator() as connection:
        await connection.execute("select set_config('search_path', $1, false)", f"a_{WARD}_intermediate")
        await connection.execute(turned, number, NONCE_SIZE)
        answer = await play.driver.ask("suginami-gyomu", question)
        await connection.execute(turned, number, NONCE_SIZE)
    log = entries(await play.driver.export(WARD), number=answer["inquiry_number"])
    play.numbers |= {number, answer["inquiry_number"]}
    return {"reason": answer["reason"], "recorded": any(one["reason"] == answer["reason"] for one in log)}


async def _tried(play: Play, call: Awaitable[Any]) -> dict[str, Any]:
    """What a member of staff tried: on record is that they did it (before the server said no), or the refusal."""
    before = await _operations(play)
    reason = await _reason_of(call)
    return {"reason": reason, "recorded": await _operations(play) > before}


async def _operations(play: Play) -> int:
    """How many operations and refusals of staff the ward's log holds; reading the log is one of its own kind of function."""
    found = entries(await play.driver.export(WARD))
    return sum(
        one["kind"] == "staff.refused"
        or (one["kind"] == "staff.operated" and one["facts"].get("function") == "held.decide")
        for one in found
    )


def _number(play: Play, words: Insider) -> str:
    number: str | None = play.seen.get(words.of or "", {}).get("_", {}).get("number")
    if number is None:
        raise StepFailedError("this act needs `of`: an earlier ask")
    return number


INSIDERS: Final[Mapping[str, Callable[[Play, Insider], Awaitable[dict[str, Any]]]]] = {
    "releases-alone": _releases_alone,
    "releases-unseen": _releases_what_he_did_not_see,
    "gives-rights": _gives_himself_rights,
    "sets-faults": _sets_other_peoples_faults,
    "asks-about-a-stranger": _asks_about_a_stranger,
    "lifts-a-flag": _lifts_a_flag_in_the_database,
}


async def insider(play: Play, words: Insider) -> dict[str, Any]:
    """`reason`: why it was refused; `recorded`: whether that is in the log of whoever refused."""
    return await INSIDERS[words.act](play, words)


async def analysed(play: Play, words: Analysed) -> dict[str, Any]:
    """`rules`: those under which somebody is named, each once."""
    now = play.driver.running.clock()
    period = {"since": (now - timedelta(days=words.days)).isoformat(), "until": (now + _SOON).isoformat()}
    async with play.driver.provider_staff(words.agency, _ADMINISTRATOR) as staff:
        (report,) = await staff.items(f"/{words.agency}/staff/analysis", [period])
    return {"rules": sorted({finding["rule"] for finding in report["findings"]})}


_ABOUT_ONE: Final = frozenset({"releases-alone", "releases-unseen", "lifts-a-flag"})
"""Acts about an inquiry that is held."""


_ABOUT_SOMEBODY: Final = frozenset({"asks-about-a-stranger"})


def _is_about_something(words: Insider, names: Names) -> Iterator[Unfit]:
    if words.act in _ABOUT_ONE and words.of is None:
        yield Unfit("of", "inquiry", "", names["inquiry"])


def _knows_whom_it_asks_about(words: Peer, names: Names) -> Iterator[Unfit]:
    homes = names.get(f"homes of {words.about}")
    asking = names.get(f"agency of {words.asker}", ())
    if homes is not None and not set(asking) <= set(homes):
        mend = f"「{words.about}」の at に {', '.join(asking)} を加えるか、from を変えてください / add the agency to at, or let another one ask"
        yield Unfit(
            "about", "尋ねる機関の知らない人 / somebody whom the asking agency does not know", words.about, mend=mend
        )


VERBS: Final[Mapping[str, Verb]] = {
    "refused": Verb(
        form=Form(
            words=Refused,
            tells={"reason": REASON, "by": _PARTY, "recorded": replace(_PARTY, several=True)},
            refers={"case": "case"},
            staged=True,
            leaves=lambda words: words.case == _NEW_EPOCH,
        ),
        play=refused,
    ),
    "peer": Verb(
        form=Form(
            words=Peer,
            tells={"state": STATE, "reason": REASON, "by": _PARTY, "values": VALUES, "recorded": FLAG},
            refers={"act": "bend", "about": "person", "asker": "asking"},
            staged=True,
            fits=_knows_whom_it_asks_about,
            contrary=contrary,
        ),
        play=peer,
    ),
    "insider": Verb(
        form=Form(
            words=Insider,
            tells={"reason": REASON, "recorded": FLAG},
            refers={"act": "act", "of": "inquiry", "about": "person"},
            only={
                "of": Only(
                    lambda words: words.act in _ABOUT_ONE or words.act not in INSIDERS,
                    f"使うのは / used by: {', '.join(sorted(_ABOUT_ONE))}",
                ),
                "about": Only(
                    lambda words: words.act in _ABOUT_SOMEBODY or words.act not in INSIDERS,
                    f"使うのは / used by: {', '.join(sorted(_ABOUT_SOMEBODY))}",
                ),
            },
            fits=_is_about_something,
        ),
        play=insider,
    ),
    "analysed": Verb(
        form=Form(
            words=Analysed,
            tells={"rules": Told("rule", tuple(Rule), several=True)},
            refers={"agency": "agency"},
            comes_upon=True,
        ),
        play=analysed,
    ),
}
