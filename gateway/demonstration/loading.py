"""Steps 1 to 3: people, codes, replicas — through spool, API and network, as business systems do it (LS-1, LS-4, IS-1, LS-2, IS-6)."""

from __future__ import annotations

import asyncio
import csv
import hashlib
import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from gateway.demonstration.stage import COLLECTION_SYSTEM, INSURANCE_SYSTEM, RESIDENTS_SYSTEM, WARD, Stage, Step
from synthetic.business import BusinessRecord
from synthetic.files import Written, write_business_file, write_resident_file
from synthetic.neighbours import Acquaintance
from synthetic.people import Person
from synthetic.rows import RESIDENT, Planted, ResidentRow, plant, resident_rows, unharmed

_POPULATION_AT_ONCE = 5_000
_LONGEST_WAIT_S = 600.0


async def populate_resident_network(stage: Stage) -> None:
    """The simulated 住基ネット learns the synthetic residents; it is the outside world, not part of the job."""
    async with stage.staff("resident-network", "resident-network") as staff:
        for start in range(0, len(stage.people), _POPULATION_AT_ONCE):
            await staff.items(
                "/population", [resident(person) for person in stage.people[start : start + _POPULATION_AT_ONCE]]
            )


def resident(person: Person) -> dict[str, str]:
    return {
        "individual_number": person.individual_number,
        "resident_record_code": person.resident_record_code,
        "name": person.name,
        "kana": person.kana,
        "sex": person.sex.value,
        "birth_date": person.birth_date.isoformat(),
        "address": person.address,
    }


async def result_of(folder: Path, name: str) -> list[dict[str, str]]:
    """Wait for the result file that the linkage server writes for a spool file."""
    done, failed = folder / "done" / f"{name}.result.csv", folder / "failed" / f"{name}.reason.json"
    for _ in range(int(_LONGEST_WAIT_S / 0.1)):
        if done.exists():
            with done.open(encoding="utf-8", newline="") as file:
                return list(csv.DictReader(file))
        if failed.exists():
            raise RuntimeError(f"{name}: {failed.read_text()}")
        await asyncio.sleep(0.1)
    raise RuntimeError(f"{name}: no result within {_LONGEST_WAIT_S:.0f} s")


def _neighbour_rows(system: str, known: Iterable[Acquaintance]) -> Iterable[ResidentRow]:
    for one in known:
        person = one.person
        yield ResidentRow(
            system=system,
            addressee_number=one.addressee_number,
            individual_number=person.individual_number,
            name=person.name,
            kana=person.kana,
            sex=person.sex.value,
            birth_date=person.birth_date.isoformat(),
            address=person.address,
            resident_kind=RESIDENT,
        )


async def _load_people(stage: Stage, step: Step, role: str, agency: str, system: str, rows: Iterable[Planted]) -> None:
    """One file of people through the spool; its result must name exactly the planted lines with their reasons."""
    folder = stage.spool(role, agency, system, "addressees")
    written: Written = await asyncio.to_thread(write_resident_file, folder / "in" / f"{agency}-{system}.csv", rows)
    results = await result_of(folder, written.file.name)
    rejected = {(int(row["line"]), row["reason"]) for row in results if row["reason"]}
    wanted = {(one.line, one.reason.value) for one in written.rejected}
    label = "世田谷区" if agency == WARD else "他機関"
    step.expect(f"{label}: 登録した行", len(results) - len(rejected), written.count - len(wanted))
    for reason, count in Counter(reason for _, reason in wanted).items():
        step.expect(f"{label}: 退けた行 {reason}", sum(found == reason for _, found in rejected), count)
    if wanted or rejected:
        step.check(f"{label}: 退けた行の行番号と理由", rejected == wanted)


async def load_people(stage: Stage) -> None:
    """Step 1: every resident by file, with planted errors; then the other business systems and the other agencies (LS-1.1, LS-1.3)."""
    with stage.step("load", "1. 住民の初期登録（個人番号の照合・団体内統合宛名番号の付番）") as step:
        residents = stage.addressees(RESIDENTS_SYSTEM)
        await _load_people(
            stage, step, "linkage", WARD, RESIDENTS_SYSTEM, plant(resident_rows(stage.people, residents), residents)
        )
        async with asyncio.TaskGroup() as group:
            for system in (INSURANCE_SYSTEM, COLLECTION_SYSTEM):
                rows = unharmed(resident_rows(stage.insured, stage.addressees(system)))
                group.create_task(_load_people(stage, step, "linkage", WARD, system, rows))
            for agency, known in stage.known_to.items():
                system = f"{agency}-gyomu"
                rows = unharmed(_neighbour_rows(system, known))
                group.create_task(_load_people(stage, step, "neighbours-linkage", agency, system, rows))
    stage.facts["people_per_second"] = round(len(stage.people) / step.seconds)


async def obtain_codes(stage: Stage) -> None:
    """Step 2: 処理通番 → resident network → core → code at the intermediate server, for everybody (LS-4, IS-1, IS-7)."""
    with stage.step("codes", "2. 符号の取得（処理通番 → 住基ネット → コア → 中間サーバー）") as step:
        clients = {WARD: RESIDENTS_SYSTEM, **{agency: f"{agency}-gyomu" for agency in stage.known_to}}
        async with stage.systems(list(clients.values())) as systems, asyncio.TaskGroup() as group:
            tasks = {
                agency: group.create_task(systems[client].post("/v1/code-requests", {"wait_ms": 600_000}))
                for agency, client in clients.items()
            }
            for agency, task in tasks.items():
                people = (await task)["people"]
                known = len(stage.people) if agency == WARD else len(stage.known_to[agency])
                step.expect(
                    "符号を得た人（世田谷区）" if agency == WARD else "符号を得た人（他機関）",
                    people.get("bound", 0),
                    known,
                )


def _for_neighbour(stage: Stage, agency: str) -> list[BusinessRecord]:
    """What a providing neighbour holds: accounts at 内閣総理大臣, unemployment benefits at 厚生労働大臣."""
    system = f"{agency}-gyomu"
    records: list[BusinessRecord] = []
    for one in stage.known_to[agency]:
        if agency == "naikaku":
            records.append(
                stage.business.receiving_account(one.person, system=system, addressee_number=one.addressee_number)
            )
        else:
            records += stage.business.unemployment(one.person, system=system, addressee_number=one.addressee_number)
    return records


async def _register_file(
    stage: Stage, step: Step, role: str, agency: str, system: str, records: list[BusinessRecord]
) -> None:
    folder = stage.spool(role, agency, system, "business-information")
    written = await asyncio.to_thread(write_business_file, folder / "in" / f"{agency}-{system}.ndjson", records)
    results = await result_of(folder, written.file.name)
    step.expect(f"登録した副本: {records[0].information}", sum(not row["reason"] for row in results), len(records))


async def register_replicas(stage: Stage) -> None:
    """Step 3: business information goes by file to the copies, with format checks (LS-2, IS-6)."""
    with stage.step("replicas", "3. 副本の登録（形式検査のうえ、本人ごとの鍵で封をして保存）") as step:
        addressees = stage.addressees(INSURANCE_SYSTEM)
        insurance = [
            record
            for person in stage.insured
            for record in stage.business.medical_insurance(
                person, system=INSURANCE_SYSTEM, addressee_number=addressees.number(person)
            )
        ]
        async with asyncio.TaskGroup() as group:
            group.create_task(_register_file(stage, step, "linkage", WARD, INSURANCE_SYSTEM, insurance))
            for agency in ("naikaku", "kosei-rodo"):
                records = _for_neighbour(stage, agency)
                group.create_task(_register_file(stage, step, "neighbours-linkage", agency, f"{agency}-gyomu", records))
        await _refused_records(stage, step)


async def _refused_records(stage: Stage, step: Step) -> None:
    """Records with a wrong form come back with item and reason; nothing of them is kept (IS-6)."""
    person = stage.insured[0]
    addressees = stage.addressees(INSURANCE_SYSTEM)
    good = stage.business.medical_insurance(
        person, system=INSURANCE_SYSTEM, addressee_number=addressees.number(person)
    )[0].as_line()
    broken: list[dict[str, Any]] = [
        good | {"record_id": "demo-bad-1", "items": good["items"] | {"被保険者番号": {"value": "ABC"}}},
        good
        | {
            "record_id": "demo-bad-2",
            "items": {name: item for name, item in good["items"].items() if name != "資格取得年月日"},
        },
        good | {"record_id": "demo-bad-3", "information": "架空の情報"},
        good | {"record_id": "demo-bad-4", "addressee_number": "999999999999999"},
    ]
    folder = stage.spool("linkage", WARD, INSURANCE_SYSTEM, "business-information")
    results = await result_of(folder, _write_lines(folder / "in" / "broken.ndjson", broken))
    step.expect("退けた副本（形式・対象外の情報・宛名なし）", sum(bool(row["reason"]) for row in results), len(broken))


def _write_lines(path: Path, lines: list[dict[str, Any]]) -> str:
    data = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines).encode()
    path.write_bytes(data)
    manifest = {
        "file": path.name,
        "kind": "business_information",
        "count": len(lines),
        "sha256": hashlib.sha256(data).hexdigest(),
        "encoding": "utf-8",
    }
    waiting = path.with_name(f".{path.name}.manifest.json.part")
    waiting.write_text(json.dumps(manifest))
    waiting.rename(path.with_name(f"{path.name}.manifest.json"))
    return path.name
