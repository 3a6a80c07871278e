"""The act of the kill test that asks in bulk: one file with an answer, a line that is held, and one that is nobody's; then its supplement."""

from __future__ import annotations

from gateway.demonstration.stage import WARD
from tests.fault.acts import Prepare, Trial, at_once
from tests.support.bulk_world import deposit, file_of, request, result_bytes, rows, until_there
from tests.support.running_system import RESIDENTS, entries

OPTIONS = {"inquiry_file_patience_s": 1, "inquiry_file_look_s": 0.5, "inquiry_file_supplement_look_s": 1}


async def inquiries_by_file(trial: Trial) -> None:
    system = trial.system
    plain, barred = (system.number(RESIDENTS, person) for person in system.insured[:2])
    lines = [request(0, addressee_number=number, user_id=trial.name) for number in (plain, barred, "999999999999999")]
    folder = system.stage.spool("linkage", WARD, RESIDENTS, "inquiries")
    name = f"{trial.name}.dat"
    deposit(folder, file_of(lines), name, count=3)
    result = await result_bytes(folder, name)
    found = rows(result)
    assert [row[19] for row in found] == ["answered", "held", "addressee_unknown"]
    await system.decide("naikaku", await system.held("naikaku", found[1][18]), approve=True)
    [supplement] = rows(await until_there(folder / "done" / f"{name}.supplement-1.csv"))
    assert (supplement[18], supplement[23], supplement[29]) == (found[1][18], "09", "公的給付支給等口座情報")
    deposit(folder, file_of(lines), f"again-{name}", count=3)
    assert await result_bytes(folder, f"again-{name}") == result
    asked = [
        one
        for one in entries(await system.export(WARD), kind="inquiry.registered")
        if one["actor"].endswith(f"/{trial.name}")
    ]
    refused = [
        one
        for one in entries(await system.linkage_log(), kind="inquiry.refused")
        if one["actor"].endswith(f"/{trial.name}")
    ]
    assert sorted(one["inquiry_number"] for one in asked) == sorted(row[18] for row in found[:2])
    assert [one["inquiry_number"] for one in refused] == [found[2][18]]


BULK_ACTS: dict[str, Prepare] = dict.fromkeys(
    (
        "linkage.send.bulk_inquiries",
        "linkage.send.bulk_inquiry_results",
        "linkage.commit.inquiry_file.lines",
        "linkage.commit.inquiry_file.finished",
        "linkage.commit.inquiry_file.supplement",
    ),
    at_once(inquiries_by_file),
)
