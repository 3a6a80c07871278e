"""Verbs of 情報提供等記録 at the ward: searched, proven to whoever has the register, shown to their person, corrected by two people (IS-5, SC-27)."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from typing import Any, Final, Literal

from codebook.identifiers import new_sortable_id
from evidence.entry import EntryKind
from evidence.proven_records import RecordsChecked, verify_records
from gateway.demonstration.stage import WARD
from gateway.intermediate_server.correction.correcting import CORRECTION_PREFIX, Field, Reason
from gateway.scenarios.driver import RESIDENTS
from gateway.scenarios.play import Play, StepFailedError, Verb
from gateway.scenarios.scenario import FLAG, Form, Only, Told, Words
from gateway.scenarios.verbs.people import integrated_number
from gateway.scenarios.vocabulary import ENTRIES, FINDINGS, REASON

_WORKER: Final = "staff-1"
_PAGE: Final = 2
"""Records a page of a search here: small, so that a person's records take several."""
_YEARS: Final = range(2021, 2061)
_WORDS: Final = ("asked", "waiting", "given", "not_given", "corrected")
"""What a record is to its person (`outcome` of a view)."""


class Search(Words, frozen=True, kw_only=True):
    """検索: everything that the ward has on record about a person, page by page as an export takes it; `kind`: of this kind alone."""

    about: str
    kind: EntryKind | None = None
    by: str = _WORKER


class Prove(Words, frozen=True, kw_only=True):
    """包含証明: each record of an inquiry with its proof, checked with nothing but the register's keys; `altered`: one word of it is changed before."""

    of: str
    altered: bool = False


class Extract(Words, frozen=True, kw_only=True):
    """本人に示す記録 of a person, checked by whoever holds the file. `altered`: changed before; `shown_to`: another person says that it is theirs."""

    about: str
    altered: bool = False
    shown_to: str | None = None
    by: str = _WORKER


class Correct(Words, frozen=True, kw_only=True):
    """訂正: somebody asks that a field of a record of an inquiry be corrected."""

    of: str
    kind: EntryKind
    field: Field
    value: str
    reason: Reason = Reason.FOUND_BY_STAFF
    by: str = _WORKER


class Decide(Words, frozen=True, kw_only=True):
    """`of`: an earlier `correct`, approved or rejected."""

    of: str
    by: str
    does: Literal["approve", "reject"] = "approve"


async def _number(play: Play, name: str) -> str:
    """The integrated number under which the ward has somebody."""
    async with play.driver.stage.system(RESIDENTS) as residents:
        return await integrated_number(play, residents, name)


async def search(play: Play, words: Search) -> dict[str, Any]:
    """`kinds`, oldest first; `corrected`: whether a correction of one of them is approved; or the `reason` of a refusal."""
    asked: dict[str, Any] = {"person": await _number(play, words.about), "limit": _PAGE}
    if words.kind is not None:
        asked["kind"] = words.kind.value
    found: list[dict[str, Any]] = []
    after: str | None = None
    while True:
        answer = await play.driver.as_staff(WARD, words.by, "records/search", {**asked, "after": after})
        if isinstance(answer, str):
            return {"kinds": [], "corrected": False, "reason": answer}
        (page,) = answer
        found += page["records"]
        after = page["next"]
        if after is None:
            break
    corrected = any(one["state"] == "approved" for record in found for one in record["corrections"])
    return {"kinds": [one["kind"] for one in reversed(found)], "corrected": corrected, "reason": None}


async def _records(play: Play, step: str) -> list[dict[str, Any]]:
    """What the ward has on record about the inquiry of a step, as its staff find it. Raises StepFailedError."""
    number = play.seen[step].get("_", {}).get("number")
    found = [] if number is None else await play.driver.log_search(WARD, number)
    if not found:
        raise StepFailedError("the ward has no record of the inquiry named in `of`")
    return found


def _checked(play: Play, file: str, *, altered: tuple[str, str] | None, number: str | None = None) -> RecordsChecked:
    """As `sekisho verify --extract` checks a file, with the keys of the signed register."""
    if altered is not None:
        if altered[0] not in file:
            raise StepFailedError("there is nothing to alter in this file")
        file = file.replace(*altered)
    logs = play.driver.running.role("intermediate").register.logs
    trusted = {f"{origin}/{year}": keys for origin, keys in logs.items() for year in _YEARS}
    return verify_records("records", file.encode().splitlines(keepends=True), trusted, number=number)


def _told(checked: RecordsChecked) -> dict[str, Any]:
    return {"records": checked.records, "findings": sorted({one.name.value for one in checked.findings})}


async def prove(play: Play, words: Prove) -> dict[str, Any]:
    """`records`: how many stand in the signed log; `findings` of the rest."""
    records, findings = 0, set()
    for record in await _records(play, words.of):
        shown = await play.driver.as_staff(WARD, _WORKER, "records/show", {"entry_id": record["id"], "proof": True})
        if isinstance(shown, str):
            raise StepFailedError(shown)
        change = (record["kind"], record["kind"][::-1]) if words.altered else None
        told = _told(_checked(play, shown[0]["proof"], altered=change))
        records += told["records"]
        findings |= set(told["findings"])
    return {"records": records, "findings": sorted(findings)}


async def extract(play: Play, words: Extract) -> dict[str, Any]:
    """`outcomes`: what each record says to its person, oldest first; `records`, `findings`: of the check."""
    asked = {"person": await _number(play, words.about)}
    answer = await play.driver.as_staff(WARD, words.by, "records/extract", asked)
    if isinstance(answer, str):
        return {"outcomes": [], "records": 0, "findings": [], "reason": answer}
    file: str = answer[0]["file"]
    change = ('\\"given\\"', '\\"not_given\\"') if words.altered else None
    number = await _number(play, words.shown_to or words.about)
    outcomes = [_word(line) for line in file.splitlines() if line.startswith('{"record":')]
    return {"outcomes": outcomes, **_told(_checked(play, file, altered=change, number=number)), "reason": None}


def _word(line: str) -> str:
    """What the view of a record says to its person."""
    word: str = json.loads(json.loads(line)["record"]["view"])["outcome"]
    return word


async def correct(play: Play, words: Correct) -> dict[str, Any]:
    """`state` of the correction, or the `reason` why there is none."""
    record = next((one for one in await _records(play, words.of) if one["kind"] == words.kind), None)
    if record is None:
        raise StepFailedError("the ward has no record of this kind of the inquiry")
    now = play.driver.running.clock()
    item = {
        "correction_id": new_sortable_id(CORRECTION_PREFIX, int(now.timestamp() * 1000), secrets.token_bytes(10)),
        "entry_id": record["id"],
        "field": words.field.value,
        "value": words.value,
        "reason": words.reason.value,
    }
    return _correction(await play.driver.as_staff(WARD, words.by, "records/corrections", item))


async def decide(play: Play, words: Decide) -> dict[str, Any]:
    """`state` of the correction, or the `reason` why it stays as it is."""
    before = play.seen[words.of].get("_", {})
    if "correction_id" not in before:
        raise StepFailedError("the step named in `of` asked for no correction")
    event = "correct" if words.does == "approve" else "reject"
    purpose = f"{event}/{before['correction_id']}/{before['content_hash']}"
    item = {**before, "approve": words.does == "approve"}
    return _correction(await play.driver.as_staff(WARD, words.by, "records/corrections/decide", item, purpose=purpose))


def _correction(answer: list[Any] | str) -> dict[str, Any]:
    if isinstance(answer, str):
        return {"state": None, "reason": answer}
    kept = {name: answer[0][name] for name in ("correction_id", "content_hash")}
    return {"state": answer[0]["state"], "reason": None, "_": kept}


_COUNT: Final = Told("count", most=10_000)
_STATE: Final = Told("state", ("proposed", "approved", "rejected"))
VERBS: Final[Mapping[str, Verb]] = {
    "search": Verb(
        form=Form(
            words=Search,
            tells={"kinds": ENTRIES, "corrected": FLAG, "reason": REASON},
            refers={"about": "person", "by": "staff"},
        ),
        play=search,
    ),
    "prove": Verb(
        form=Form(words=Prove, tells={"records": _COUNT, "findings": FINDINGS}, refers={"of": "inquiry"}), play=prove
    ),
    "extract": Verb(
        form=Form(
            words=Extract,
            tells={
                "outcomes": Told("word", _WORDS, several=True),
                "records": _COUNT,
                "findings": FINDINGS,
                "reason": REASON,
            },
            refers={"about": "person", "shown_to": "person", "by": "staff"},
            only={
                "shown_to": Only(
                    lambda words: words.shown_to != words.about,
                    "ほかの人にしてください / somebody else: their own extract goes to a person anyway",
                )
            },
        ),
        play=extract,
    ),
    "correct": Verb(
        form=Form(
            words=Correct,
            tells={"state": _STATE, "reason": REASON},
            makes="correction",
            refers={"of": "inquiry", "by": "staff"},
        ),
        play=correct,
    ),
    "decide-correction": Verb(
        form=Form(words=Decide, tells={"state": _STATE, "reason": REASON}, refers={"of": "correction", "by": "staff"}),
        play=decide,
    ),
}
