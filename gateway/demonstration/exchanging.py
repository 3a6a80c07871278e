"""Steps 4 and 5: other agencies ask the ward, and the ward asks others, one person at a time over the network (SKI, TKY; PL-1…4, SC-1, SC-5, SC-22)."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from gateway.demonstration.callers import BusinessSystem
from gateway.demonstration.stage import COLLECTION_SYSTEM, INSURANCE_SYSTEM, WARD, Stage, Step
from synthetic.business import MEDICAL_INSURANCE, AccountCase, BusinessRecord
from synthetic.neighbours import Acquaintance
from synthetic.people import Person

AT_ONCE = 48
PEOPLE_PER_ITEM = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """Who asks the ward under which item of 別表第二, and for which data items (none: all)."""

    agency: str
    item: str
    name: str
    items: tuple[str, ...] = ()


ASKERS = (
    Asker(agency="kyokai-kenpo", item="2", name="全国健康保険協会"),
    Asker(agency="tokyo", item="26", name="都道府県知事等"),
    Asker(agency="suginami", item="27", name="他の市町村長（地方税）"),
    Asker(agency="suginami", item="93", name="他の市町村長（介護保険）", items=("被保険者番号", "資格取得年月日")),
    Asker(agency="koiki-rengo", item="80", name="後期高齢者医療広域連合"),
)


def question(asker: Asker, addressee_number: str) -> dict[str, Any]:
    return {
        "addressee_number": addressee_number,
        "provider": WARD,
        "item": asker.item,
        "information": MEDICAL_INSURANCE,
        "items": list(asker.items),
        "purpose": "デモの照会",
        "staff": "demo-staff-1",
    }


def canonical(records: Sequence[dict[str, Any]]) -> list[bytes]:
    """Records in an order of their own, to be compared."""
    return sorted(msgspec.json.encode(record, order="deterministic") for record in records)


def loaded(records: Sequence[BusinessRecord], items: Sequence[str] = ()) -> list[dict[str, Any]]:
    """What was loaded, in the form of an answer, cut to the items asked."""
    cut = [
        {
            "data_set": record.data_set,
            "version": record.version,
            "items": {name: value for name, value in record.wire_items().items() if not items or name in items},
        }
        for record in records
    ]
    return [record for record in cut if record["items"]]


def expected_records(stage: Stage, person: Person, items: Sequence[str]) -> list[dict[str, Any]]:
    number = stage.addressees(INSURANCE_SYSTEM).number(person)
    return loaded(stage.business.medical_insurance(person, system=INSURANCE_SYSTEM, addressee_number=number), items)


def chosen(stage: Stage, asker: Asker) -> list[Acquaintance]:
    """People to ask about: mostly the ward's insured, the barred among them, and some who are not insured."""
    known = stage.known_to[asker.agency]
    insured = [one for one in known if stage.business.is_insured(one.person)]
    others = [one for one in known if not stage.business.is_insured(one.person)]
    barred = [one for one in insured if stage.business.is_barred(one.person)]
    plain = [one for one in insured if not stage.business.is_barred(one.person)]
    return barred[:4] + plain[: PEOPLE_PER_ITEM - 14] + others[:10]


async def ask_all(
    system: BusinessSystem, questions: Sequence[dict[str, Any]], seen: Callable[[int, dict[str, Any]], None]
) -> float:
    """Ask one by one, many at once; returns the seconds it took."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(position: int, asked: dict[str, Any]) -> None:
        async with gate:
            answers = await system.inquire([asked])
        seen(position, answers[0])

    begun = time.monotonic()
    await asyncio.gather(*(one(position, asked) for position, asked in enumerate(questions)))
    return time.monotonic() - begun


async def inquiries_from_outside(stage: Stage) -> None:
    """Step 4: permit first, then the inquiry; every answer equal field by field to what was loaded."""
    with stage.step("outside", "4. 外部からの照会（許可証 → 照会 → 封をした回答）") as step:
        total, seconds = 0, 0.0
        async with stage.systems(sorted({f"{asker.agency}-gyomu" for asker in ASKERS})) as systems:
            for asker in ASKERS:
                people = chosen(stage, asker)
                right: Counter[str] = Counter()

                def seen(
                    position: int,
                    answer: dict[str, Any],
                    asker: Asker = asker,
                    people: list[Acquaintance] = people,
                    right: Counter[str] = right,
                ) -> None:
                    person = people[position].person
                    right[_judge(stage, asker, person, answer)] += 1
                    if answer["state"] == "held":
                        stage.held.append(
                            {
                                "agency": asker.agency,
                                "inquiry_number": answer["inquiry_number"],
                                "items": asker.items,
                                "person": person,
                            }
                        )

                seconds += await ask_all(
                    systems[f"{asker.agency}-gyomu"], [question(asker, one.addressee_number) for one in people], seen
                )
                total += len(people)
                wanted = Counter(_expected(stage, one.person) for one in people)
                for outcome in wanted | right:
                    step.expect(f"{asker.item}の項 {asker.name}: {outcome}", right[outcome], wanted[outcome])
        stage.facts["inquiries"] = total
        stage.facts["inquiries_per_second"] = round(total / seconds, 1)


def _expected(stage: Stage, person: Person) -> str:
    if not stage.business.is_insured(person):
        return "副本なし"
    return "保留" if stage.business.is_barred(person) else "回答（全項目一致）"


def _judge(stage: Stage, asker: Asker, person: Person, answer: dict[str, Any]) -> str:
    match answer["state"], answer["outcome"]:
        case "answered", "answered":
            same = canonical(answer["values"]) == canonical(expected_records(stage, person, asker.items))
            return "回答（全項目一致）" if same else "回答（不一致）"
        case "held", _:
            return "保留"
        case "not_provided", "no_replica":
            return "副本なし"
        case state, outcome:
            return f"{state}/{outcome}/{answer.get('reason')}"


async def inquiries_from_the_ward(stage: Stage) -> None:
    """Step 5: SKY2 asks for receiving accounts of refund claimants (item 42) and for unemployment benefits (item 44)."""
    with stage.step("ward", "5. 区からの照会（SKY2: 公金受取口座・失業等給付）") as step:
        addressees = stage.addressees(COLLECTION_SYSTEM)
        known_to_cabinet = {one.person.index for one in stage.known_to["naikaku"]}
        claimants = [person for person in stage.insured if person.index in known_to_cabinet][:60]
        silent = [person for person in stage.insured if person.index in known_to_cabinet][60:70]
        known_to_ministry = {one.person.index for one in stage.known_to["kosei-rodo"]}
        leavers = [
            person
            for person in stage.insured
            if person.index in known_to_ministry and stage.business.is_unemployed(person)
        ][:20]
        async with stage.staff(WARD, "sky2") as staff:
            await staff.post(
                "/insured-persons",
                {
                    "items": [
                        _ledger_person(addressees.number(person), person) for person in (*claimants, *silent, *leavers)
                    ]
                },
            )
            await staff.post(
                "/refund-claims",
                {
                    "items": [
                        _claim(addressees.number(person), number, chose=True) for number, person in enumerate(claimants)
                    ]
                },
            )
            await staff.post(
                "/refund-claims",
                {
                    "items": [
                        _claim(addressees.number(person), 1000 + number, chose=False)
                        for number, person in enumerate(silent)
                    ]
                },
            )
            await staff.post("/refund-claims/ask-accounts", {})
            claims = (await staff.post("/refund-claims/list", {}))["items"]
            _count_claims(stage, step, claims, claimants, silent)
            asked = await staff.post(
                "/unemployment-inquiries", {"addressee_numbers": [addressees.number(person) for person in leavers]}
            )
            provided = sum(item["state"] == "provided" for item in asked["items"])
            step.expect("44の項 失業等給付関係情報: 提供", provided, len(leavers))


def _ledger_person(addressee_number: str, person: Person) -> dict[str, str]:
    return {
        "addressee_number": addressee_number,
        "individual_number": person.individual_number,
        "name": person.name,
        "kana": person.kana,
        "birth_date": person.birth_date.isoformat(),
        "address": person.address,
    }


def _claim(addressee_number: str, number: int, *, chose: bool) -> dict[str, Any]:
    return {
        "claim_id": f"demo-{number:05d}",
        "addressee_number": addressee_number,
        "fiscal_year": 2022,
        "amount": 1000 + number,
        "chose_receiving_account": chose,
        "individual_number_written": chose,
    }


def _count_claims(
    stage: Stage, step: Step, claims: list[dict[str, Any]], claimants: list[Person], silent: list[Person]
) -> None:
    wanted: Counter[str] = Counter()
    for person in claimants:
        match stage.business.account_case(person):
            case AccountCase.OWN_NAME:
                wanted["matched"] += 1
            case AccountCase.ANOTHER_NAME:
                wanted["mismatched"] += 1
            case AccountCase.NONE:
                wanted["not_provided"] += 1
    wanted["claimed"] = len(silent)
    found = Counter(claim["state"] for claim in claims)
    names = {
        "matched": "口座名義が一致",
        "mismatched": "名義が相違（振込しない）",
        "not_provided": "口座の登録なし",
        "claimed": "口座を選ばず照会なし",
    }
    for state in wanted | found:
        step.expect(f"42の項 公金受取口座: {names.get(state, state)}", found[state], wanted[state])
