"""Acts of the kill test for records: a correction by two people, a year that is erased, certified and confirmed, at each kind of server. Each happens once."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from codebook.identifiers import new_sortable_id
from evidence import checkpoint
from evidence.merkle import Frontier, leaf_hash
from gateway.demonstration.callers import UnexpectedAnswerError
from gateway.demonstration.stage import WARD
from gateway.intermediate_server.retention.certificates import together
from keys.signing import Signer, generate_seed
from tests.fault.acts import Act, Prepare, Trial
from tests.fault.acts_staff import At, first
from tests.support.running_system import System, entries, insisting, until

LAST_DUE = 2014
"""In 2022 the records of this fiscal year and of those before are due."""
_YEARS = itertools.count()


async def a_record_is_corrected(trial: Trial) -> Act:
    one, other = first(trial, "staff-1"), first(trial, "staff-2")
    system = trial.system
    answer = await system.ask(
        "suginami-gyomu", system.to_the_ward(system.insured[0], items=["被保険者番号"]), key=trial.name
    )
    page = await one.call("records/search", {"kind": "provision.made", "limit": 1})
    record = page["records"][0]
    assert record["inquiry_number"] == answer["inquiry_number"]

    async def act(_: Trial) -> None:
        asked = {
            "correction_id": new_sortable_id("C", 0, secrets.token_bytes(10)), "entry_id": record["id"], "field": "disposition",
            "value": "not_provided", "reason": "found_by_staff",
        }  # fmt: skip
        proposed = await one.call("records/corrections", asked)
        said = {"correction_id": asked["correction_id"], "content_hash": proposed["content_hash"], "approve": True}
        purpose = f"correct/{asked['correction_id']}/{proposed['content_hash']}"
        await proved(other, "records/corrections/decide", said, purpose, "409 decided_already")
        shown = (await one.call("records/show", {"entry_id": record["id"]}))["record"]
        assert [(one["state"], one["decided_by"]) for one in shown["corrections"]] == [("approved", "staff-2")]
        log = entries(await system.export(WARD), kind="record.corrected")
        assert [one["facts"]["corrects"] for one in log].count(record["id"]) == 1

    return act


async def proved(by: At, path: str, item: dict[str, Any], purpose: str, *done: str) -> Any:
    """A proof is good once: after a death both factors are shown again, unless it was done by then."""
    for _ in range(3):
        try:
            return await by.call(path, {**item, "proof": await by.proof(purpose)})
        except UnexpectedAnswerError as problem:
            if str(problem).endswith(done):
                return None
            if not str(problem).endswith("401 login_refused"):
                raise
    raise AssertionError("it does not come through")


async def a_year_is_erased(trial: Trial) -> Act:
    """A log of long ago, put there by the owner of the tables; nobody calls for its erasure."""
    year = LAST_DUE - next(_YEARS)
    purpose = f"personal/{year}"

    async def act(_: Trial) -> None:
        await _plant(trial, f"a_{WARD}_intermediate", f"sekisho.example/{WARD}/intermediate", year)
        reader = first(trial, "staff-1")

        async def certificates() -> list[dict[str, Any]]:
            async with reader.staff() as staff:
                rows: list[dict[str, Any]] = await insisting(lambda: staff.items(f"/{WARD}/erasures", []))
            return [row for row in rows if row["key_purpose"] == purpose]

        [row] = await until(certificates, lambda rows: len(rows) == 1)
        assert (row["erased"], row["key_gone"]) == (3, True)
        hashes = [row["content_hash"]]
        await proved(
            first(trial, "staff-2"), "erasures/confirm", {"content_hashes": hashes}, f"confirm_erasure/{together(hashes)}",
            "404 erasure_unknown",
        )  # fmt: skip
        assert [(one["state"], one["confirmed_by"]) for one in await certificates()] == [("confirmed", "staff-2")]
        log = entries(await trial.system.export(WARD))
        kinds = [one["kind"] for one in log if one.get("facts", {}).get("key_purpose") == purpose]
        assert kinds == ["erasure.begun", "erasure.certified", "erasure.confirmed"]

    return act


def a_year_is_erased_at(schema: str, origin: str, log: Callable[[System], Awaitable[bytes]]) -> Prepare:
    """The same where nobody confirms: at the linkage server and at the core. The clock is moved a little, so that they look at once."""

    async def prepare(trial: Trial) -> Act:
        year = LAST_DUE - next(_YEARS)

        async def act(_: Trial) -> None:
            await _plant(trial, schema, origin, year)
            clock = trial.system.running.clock
            clock.set(clock() + timedelta(milliseconds=1))

            async def said() -> list[str]:
                found = entries(await log(trial.system))
                return [one["kind"] for one in found if one.get("facts", {}).get("log") == f"{origin}/{year}"]

            assert await until(said, lambda kinds: len(kinds) >= 2) == ["erasure.begun", "erasure.certified"]

        return act

    return prepare


async def _plant(trial: Trial, schema: str, log: str, year: int) -> None:
    bodies = [f'{{"nth":{nth}}}'.encode() for nth in range(3)]
    leaves = [leaf_hash(body) for body in bodies]
    frontier = Frontier().extend(leaves).frontier
    origin = f"{log}/{year}"
    note = checkpoint.sign(origin, frontier.size, frontier.root(), Signer(generate_seed()))
    async with trial.system.administrator() as admin, admin.transaction():
        await admin.execute("select set_config('search_path', $1, true)", schema)
        last_year = f"{log}/2021"  # something was on record last year, as in any year
        await admin.execute(
            "insert into log_head values (2021, $1, 1, sha256('x'), '') on conflict do nothing", last_year
        )
        await admin.execute(
            "insert into log_head values ($1, $2, $3, $4, $5)", year, origin, 3, frontier.to_bytes(), note
        )
        for nth, (body, leaf) in enumerate(zip(bodies, leaves, strict=True)):
            row = (
                year,
                nth,
                f"old-{year}-{nth}",
                datetime(year, 5, 1, tzinfo=UTC),
                "access.refused",
                None,
                body,
                leaf,
                None,
            )
            await admin.execute("insert into log_entry values ($1, $2, $3, $4, $5, $6, $7, $8, $9)", *row)


RECORD_ACTS: dict[str, Prepare] = {
    **dict.fromkeys(
        ("intermediate.commit.record.correction_proposed", "intermediate.commit.record.corrected"), a_record_is_corrected
    ),
    **dict.fromkeys(
        (
            "intermediate.commit.erasure.begun", "intermediate.commit.erasure.certified",
            "intermediate.commit.erasure.confirmed",
        ),
        a_year_is_erased,
    ),
    **dict.fromkeys(
        ("linkage.commit.erasure.begun", "linkage.commit.erasure.certified"),
        a_year_is_erased_at(
            f"a_{WARD}_linkage", f"sekisho.example/{WARD}/linkage", lambda system: system.linkage_log()
        ),
    ),
    **dict.fromkeys(
        ("core.commit.erasure.begun", "core.commit.erasure.certified"),
        a_year_is_erased_at("core", "sekisho.example/network/core", lambda system: system.export("network")),
    ),
}  # fmt: skip
