"""The verb of bulk inquiries: a file of many lines, some of them wrong on purpose, over a network that fails now and then; each line is told what it met (LS-3.2)."""

from __future__ import annotations

import asyncio
import csv
import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

from msgspec import Meta

from adapters.jlis_mock.faults import Switch
from gateway.demonstration.stage import WARD
from gateway.linkage_server.bulk_inquiries.form import FIELDS, HEADER
from gateway.scenarios.driver import RESIDENTS
from gateway.scenarios.play import Play, StepFailedError, Verb
from gateway.scenarios.scenario import FLAG, Form, Words, something_left
from synthetic.business import AccountCase
from synthetic.draws import draw, key_for
from synthetic.people import Person

_OUTCOME: Final = 19
_AT_ONCE: Final = 1_000
_PATIENCE_S: Final = 240.0
_MANY: Final = 1_000_000
_WRONG: Final[tuple[tuple[str, str, str], ...]] = (
    ("addressee_number", "", "addressee_unknown"),
    ("provider", "99999", "provider_unknown"),
    ("information", "TM00000000090002", "not_permitted"),
)
"""Field, what is wrong with it (nothing: a number of the ward's that nobody has), and how such a line must come back."""


class Bulk(Words, frozen=True, kw_only=True):
    """一括照会: the ward asks 内閣総理大臣 about some people in a file of so many lines, so many in a hundred of them wrong.

    `lost_percent`: so many of a hundred inquiries, drawn from the scenario's seed, do not reach the provider the first time.
    """

    lines: Annotated[int, Meta(ge=1, le=10_000)] = 300
    wrong_percent: Annotated[int, Meta(ge=0, le=100)] = 3
    lost_percent: Annotated[int, Meta(ge=0, le=50)] = 0


def _line(number: str, codes: Mapping[str, str]) -> dict[str, str]:
    return dict.fromkeys(FIELDS, "") | {
        "number_scheme": "01", "addressee_number": number, "requested_at": "20221003100000000", "department": "0000000001",
        "inquirer": codes[WARD], "non_disclosure": "1", "affair": "JM99000000000042", "procedure": "JT99000000000042",
        "provider": codes["naikaku"], "information": "TM00000000000089", "condition": "0", "year_condition": "0",
    }  # fmt: skip


async def bulk(play: Play, words: Bulk) -> dict[str, Any]:
    """`wrong`: whether every planted line came back as it must; `sound`: whether all the others were answered; `lost`: whether deliveries were."""
    people = play.crowd(words.lines)
    await _bring_in(play, people)
    codes = {agency.id: agency.code for agency in play.driver.running.topology.agencies.values()}
    chance = key_for(play.scenario.seed, "bulk")
    lines, expected = [], []
    for nth, person in enumerate(people):
        line, outcome = _line(play.driver.number(RESIDENTS, person), codes), "answered"
        if play.driver.business.account_case(person) is AccountCase.NONE:
            outcome = "empty_by_reason"
        hit, kind = divmod(draw(chance, nth), len(_WRONG))
        if hit % 100 < words.wrong_percent:
            field, value, outcome = _WRONG[kind]
            line[field] = value or f"{nth:015d}"
        lines.append(line)
        expected.append(outcome)
    if words.lost_percent:
        share = {"share": words.lost_percent, "seed": max(1, play.scenario.seed), "each": 1}
        await play.driver.faults(**{Switch.PROVIDER_DOWN.value: _MANY}, **share)
    found = await _through(play, lines)
    lost = _MANY - ((await play.driver.faults())[Switch.PROVIDER_DOWN.value] or 0) if words.lost_percent else 0
    await play.driver.faults(**{Switch.PROVIDER_DOWN.value: 0})
    pairs = list(zip(expected, found, strict=False))
    wrong = {outcome for _, _, outcome in _WRONG}
    return {
        "complete": len(found) == words.lines,
        "planted": bool(wrong & set(expected)),
        "wrong": all(one == other for one, other in pairs if one in wrong),
        "sound": all(one == other for one, other in pairs if one not in wrong),
        "lost": lost > words.lines * words.lost_percent / 200,
    }


async def _bring_in(play: Play, people: Sequence[Person]) -> None:
    """People of the ward of whom 内閣総理大臣 holds an account."""
    driver = play.driver
    for start in range(0, len(people), _AT_ONCE):
        some = people[start : start + _AT_ONCE]
        await driver.populate(some)
        await asyncio.gather(*(driver.register(system, some) for system in (RESIDENTS, "naikaku-gyomu")))
    await asyncio.gather(*(driver.obtain_codes(system) for system in (RESIDENTS, "naikaku-gyomu")))
    accounts = [driver.account(person) for person in people]
    await driver.load_records("naikaku-gyomu", accounts, f"bulk-{play.block}.ndjson", agency="naikaku")


async def _through(play: Play, lines: list[dict[str, str]]) -> list[str]:
    """Send them as a business system does; each line's outcome."""
    folder = play.driver.stage.spool("linkage", WARD, RESIDENTS, "inquiries")
    text = io.StringIO()
    text.write(f"{HEADER}\r\n")
    csv.writer(text, lineterminator="\r\n").writerows([[line[name] for name in FIELDS] for line in lines])
    name = f"scenario-{play.block}.csv"
    await asyncio.to_thread(_deposit, folder, name, text.getvalue().encode("cp932"), len(lines))
    done, failed = folder / "done" / f"{name}.result.csv", folder / "failed" / f"{name}.reason.json"
    for _ in range(int(_PATIENCE_S / 0.1)):
        if await asyncio.to_thread((folder / "done" / f"{name}.manifest.json").exists):
            rows = csv.reader((await asyncio.to_thread(done.read_bytes)).decode("cp932").splitlines())
            return [row[_OUTCOME] for row in rows if len(row) > _OUTCOME and row[0] != "number_scheme"]
        if await asyncio.to_thread(failed.exists):
            raise StepFailedError("the file was turned away as a whole")
        await asyncio.sleep(0.1)
    raise StepFailedError("the file did not come through in time")


def _deposit(folder: Path, name: str, data: bytes, count: int) -> None:
    """The data file, then its manifest."""
    digest = hashlib.sha256(data).hexdigest()
    manifest = {"file": name, "kind": "inquiries", "count": count, "sha256": digest, "encoding": "cp932", "form": "csv"}
    (folder / "in").mkdir(parents=True, exist_ok=True)
    (folder / "in" / name).write_bytes(data)
    part = folder / f".{name}.part"
    part.write_text(json.dumps(manifest))
    part.replace(folder / "in" / f"{name}.manifest.json")


VERBS: Final[Mapping[str, Verb]] = {
    "bulk": Verb(
        form=Form(
            words=Bulk,
            tells=dict.fromkeys(("complete", "wrong", "sound", "planted", "lost"), FLAG),
            leaves=something_left,  # logs so long that each later look at them takes seconds
        ),
        play=bulk,
    ),
}
