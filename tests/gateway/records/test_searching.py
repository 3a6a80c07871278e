"""Search of exchange records (IS-5): what is found is what a plain look at every entry finds, in pages, whatever is asked."""

from __future__ import annotations

import json
from datetime import timedelta
from functools import partial

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evidence.entry import EntryKind
from gateway.intermediate_server.covering import Covered
from gateway.intermediate_server.outcomes import OutcomeKind, outcome_of
from gateway.intermediate_server.records import indexing, searching, subjects
from tests.house.sources import ROOT
from tests.support.records_world import AGENCY, START
from transport.problem import ProblemError

PEOPLE = ("100000000000001", "100000000000002", "100000000000003")
PARTNERS = ("suginami", "nakano", "naikaku")
ITEMS = ("27", "42")
STAFF = ("juki/tanto-1", "juki/tanto-2", "auto")
KINDS = (EntryKind.PROVISION_MADE, EntryKind.PROVISION_REFUSED, EntryKind.INQUIRY_ANSWERED, EntryKind.INQUIRY_ABORTED)
REASONS = (
    "affair_not_listed",
    "permit_expired",
    "refused_by_staff",
    "non_disclosure",
    "person_frozen",
    "deadline_passed",
    "outcome_signature",
)
DELEGATORS = (None, "koiki-rengo", None, "nakano", None)


async def fill(records, count: int) -> list[dict]:
    """Records of every mixture, an hour apart, over the end of a fiscal year; what each says."""
    made = []
    records.clock.now = START.replace(month=3, day=29) + timedelta(days=365)
    for nth in range(count):
        records.clock.now += timedelta(hours=2)
        kind = KINDS[nth % 4]
        partner = PARTNERS[nth // 2 % 3]
        parties = {"inquirer": AGENCY, "provider": partner} if kind.startswith("inquiry.") else {"inquirer": partner}
        person = (*PEOPLE, None)[nth % 4]
        ended = kind in (EntryKind.PROVISION_REFUSED, EntryKind.INQUIRY_ABORTED)
        said = {"item": ITEMS[nth // 3 % 2], "actor": STAFF[nth // 5 % 3], "reason": REASONS[nth % 7] if ended else None,
                "inquirer_for": DELEGATORS[nth % 5], "provider_for": DELEGATORS[nth % 7 % 5]}  # fmt: skip
        entry = await records.put(person, kind, **parties, **said)
        made.append({"id": entry.entry_id, "person": person, "agency": {partner, said["inquirer_for"], said["provider_for"]}, "affair": said["item"], "staff": said["actor"],
                     "kind": kind, "outcome": outcome_of(kind, said["reason"]), "at": records.clock.now})  # fmt: skip
    return made


def plain_look(made, conditions) -> list[str]:
    since, until = conditions.get("since"), conditions.get("until")
    return [
        one["id"]
        for one in reversed(made)
        if all(
            value in one[name] if name == "agency" else one[name] == value
            for name, value in conditions.items()
            if name in one
        )
        and (since is None or one["at"] >= since)
        and (until is None or one["at"] < until)
    ]


async def test_every_search_finds_what_a_plain_look_finds(records, monkeypatch):
    made = await fill(records, 120)
    monkeypatch.setattr(searching, "_LOOKED_AT", 7)  # so that even these few come in several stretches
    instants = st.sampled_from([one["at"] for one in made])
    conditions = st.fixed_dictionaries(
        {},
        optional={
            "person": st.sampled_from(PEOPLE), "agency": st.sampled_from([*PARTNERS, "koiki-rengo"]), "affair": st.sampled_from(ITEMS),
            "staff": st.sampled_from(STAFF), "kind": st.sampled_from(KINDS), "outcome": st.sampled_from(OutcomeKind), "since": instants, "until": instants,
        },
    )  # fmt: skip
    asked = []

    @settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(conditions, st.integers(1, 9))
    def collect(chosen, limit):
        asked.append((chosen, limit))

    collect()
    for chosen, limit in asked:
        found = [one["id"] for one in await records.search(**chosen, limit=limit)]
        assert found == plain_look(made, chosen), (chosen, limit)


async def test_a_right_for_one_affair_shows_nothing_of_others(records):
    made = await fill(records, 12)
    page = await searching.search(records.agency, searching.SearchItem(), Covered.of([("42", "*")]), records.clock())
    assert {one["id"] for one in page["records"]} == {one["id"] for one in made if one["affair"] == "42"}
    hidden = next(one["id"] for one in made if one["affair"] == "27")
    with pytest.raises(ProblemError) as refused:
        await searching.show(
            records.agency, searching.ShowItem(entry_id=hidden), lambda affair, _: affair == "42", records.clock()
        )
    assert refused.value.reason == "record_unknown"


FOR_27 = Covered.of([("27", "医療保険給付関係情報"), ("42", "住民票関係情報")])


async def test_a_search_tells_nothing_of_what_the_right_does_not_cover(records):
    """Neither by its records nor by where it would go on, whatever is asked together (SC-24)."""
    await records.put(PEOPLE[0], item="26")
    await records.put(PEOPLE[0], item="42")
    for conditions in (
        {"person": PEOPLE[0]}, {"person": PEOPLE[0], "affair": "26"}, {"person": PEOPLE[0], "affair": "30"}, {"person": PEOPLE[1]}, {},
        {"person": PEOPLE[0], "affair": "26", "agency": "suginami", "kind": EntryKind.PROVISION_MADE}, {"affair": "42"}, {"staff": "auto"},
    ):  # fmt: skip
        item = searching.SearchItem(**conditions, limit=1)
        assert await searching.search(records.agency, item, FOR_27, records.clock()) == {"records": [], "next": None}


async def test_a_narrow_right_finds_all_of_its_own_page_by_page(records, monkeypatch):
    made = await fill(records, 40)
    monkeypatch.setattr(searching, "_LOOKED_AT", 3)
    for conditions in (
        {},
        {"person": PEOPLE[0]},
        {"agency": "nakano"},
        {"kind": KINDS[0]},
        {"outcome": OutcomeKind.REFUSED_BY_STAFF},
    ):
        found = [one["id"] for one in await records.search(covered=FOR_27, **conditions, limit=2)]
        assert found == plain_look(made, {**conditions, "affair": "27"})


async def test_where_a_search_goes_on_is_sealed_and_only_this_server_s(records, monkeypatch):
    await fill(records, 4)
    monkeypatch.setattr(searching, "_LOOKED_AT", 1)
    ask = partial(searching.search, records.agency, covered=Covered.of([("1", "*")]), now=records.clock())
    first, again = [(await ask(searching.SearchItem()))["next"] for _ in range(2)]
    assert first != again
    assert len(first) == len(again)
    for altered in (first[:-8] + "AAAAAAAA", first[:20], "", "山田太郎", records.clock().isoformat()):
        with pytest.raises(ProblemError) as refused:
            await ask(searching.SearchItem(after=altered))
        assert (refused.value.status, refused.value.reason) == (400, "malformed_item")


async def test_the_person_is_nowhere_in_clear_beside_the_entry(records):
    await records.put(PEOPLE[0])
    rows = await records.inside("select to_jsonb(r) as row from log_record r")
    assert len(rows) == 1
    assert PEOPLE[0] not in str(rows[0]["row"])
    assert PEOPLE[0].encode().hex() not in str(rows[0]["row"])


async def test_equal_people_show_as_equal_within_a_year_only(records):
    await records.put(PEOPLE[0])
    await records.put(PEOPLE[0])
    records.clock.now += timedelta(days=365)
    await records.put(PEOPLE[0])
    kept = [row["subject"] for row in await records.inside("select subject from log_record order by at")]
    assert kept[0] == kept[1] != kept[2]


async def test_whoever_delegated_is_found_and_both_names_are_told(records):
    """委任元 of either side, of a step of an exchange and of whatever else is on record about one (IS-5)."""
    asked = await records.put(PEOPLE[0], inquirer_for="koiki-rengo")
    await records.put(PEOPLE[0], provider_for="koiki-rengo", inquirer_for="koiki-rengo")
    await records.put(PEOPLE[0])
    corrected = await records.corrected(asked.entry_id, PEOPLE[1])
    found = await records.search(agency="koiki-rengo", limit=1)
    assert [(one.get("facts", one)["inquirer"], one.get("facts", one)["inquirer_for"]) for one in found] == [
        ("suginami", "koiki-rengo")
    ] * 3
    assert corrected in [one["id"] for one in found]
    assert len(await records.search(agency="suginami")) == 4
    assert [one["differs"] for one in found] == [[]] * 3


PARTIES = ("inquirer", "provider", "inquirer_for", "provider_for")


@pytest.mark.parametrize("field", PARTIES)
async def test_a_correction_of_a_party_is_found_under_the_agency_that_is_right(records, field):
    asked = await records.put(PEOPLE[0], inquirer_for="nakano", provider_for="nakano")
    corrected = await records.corrected(asked.entry_id, "koiki-rengo", field)
    [found] = await records.search(agency="koiki-rengo")
    assert (found["id"], found["facts"]["corrects"], found["differs"]) == (corrected, asked.entry_id, [])
    assert [one["id"] for one in await records.search(agency="suginami")][-1] == asked.entry_id


async def test_corrections_of_before_are_found_under_the_agency_that_is_right_too(records):
    asked = await records.put(PEOPLE[0], inquirer_for="nakano")
    for field in PARTIES:
        await records.corrected(asked.entry_id, "koiki-rengo", field)
    await records.corrected(asked.entry_id, "", "inquirer_for")
    await records.corrected(asked.entry_id, PEOPLE[1])
    name = "0084_corrections_are_found_under_the_right_party.sql"
    columns = "select idx, partner, inquirer_for, provider_for from log_record order by year, idx"
    now = await records.inside(columns)
    async with records.administrator() as admin:
        await admin.execute("update log_record set partner = 'suginami', inquirer_for = 'nakano', provider_for = null")
        await admin.execute((ROOT / "gateway/intermediate_server/migrations" / name).read_text())
    assert await records.inside(columns) == now


async def test_outcomes_are_found_and_told_apart(records):
    made = await fill(records, 56)
    found = {outcome: [one["outcome"] for one in await records.search(outcome=outcome)] for outcome in OutcomeKind}
    assert {outcome for outcome, told in found.items() if told} == {one["outcome"] for one in made}
    assert all(set(told) <= {outcome} for outcome, told in found.items())


async def test_records_from_before_outcomes_and_delegators_were_columns_are_found_the_same(records):
    await fill(records, 56)
    migration = (ROOT / "storage/evidence_log/migrations/0076_delegators_and_outcomes.sql").read_text()
    columns = "select year, idx, inquirer_for, provider_for, outcome from log_record order by year, idx"
    before = await records.inside(columns)
    async with records.administrator() as admin:
        await admin.execute("update log_record set inquirer_for = null, provider_for = null, outcome = null")
        await admin.execute(migration[migration.index("update ") : migration.index("create index")])
    assert await records.inside(columns) == before


async def test_records_from_before_there_were_rows_are_found_too(records):
    made = await fill(records, 20)
    async with records.administrator() as admin:
        await admin.execute("truncate log_record")
        await admin.execute("insert into record_indexing select year, size from log_head")
    assert await records.search() == []
    newer = await records.put(PEOPLE[0])
    while await indexing.index_older(records.agency):
        pass
    everything = [newer.entry_id, *(one["id"] for one in reversed(made))]
    assert [one["id"] for one in await records.search()] == everything
    of_one = [newer.entry_id, *plain_look(made, {"person": PEOPLE[0]})]
    assert [one["id"] for one in await records.search(person=PEOPLE[0])] == of_one


async def test_what_an_inquiry_was_for_is_told_to_whoever_may_see_the_record_and_stands_in_no_entry(records):
    what_for = "架空 太郎の過誤納金の還付"
    asking = {"inquirer": AGENCY, "provider": "suginami", "what_for": what_for}
    asked = await records.put(PEOPLE[0], EntryKind.INQUIRY_REGISTERED, **asking)
    refused = await records.put(PEOPLE[0], EntryKind.INQUIRY_REFUSED, **asking, reason="item_unknown")
    before = await records.put(PEOPLE[0], EntryKind.INQUIRY_REGISTERED, inquirer=AGENCY, provider="suginami")
    found = {one["id"]: one for one in await records.search()}
    assert [found[one.entry_id]["purpose_text"] for one in (asked, refused)] == [what_for] * 2
    assert "purpose" not in found[before.entry_id]
    shown = await searching.show(
        records.agency, searching.ShowItem(entry_id=asked.entry_id), lambda *_: True, records.clock()
    )
    assert shown["record"]["purpose_text"] == what_for
    bodies = [json.loads(row["body"]) for row in await records.inside("select body from log_entry order by idx")]
    committed = [one["purpose"] for one in bodies if "purpose" in one]
    assert len(set(committed)) == 2, "the same words twice are not told to be the same"
    assert "架空" not in json.dumps(bodies, ensure_ascii=False)
    assert (await records.search(person=PEOPLE[0])) == list(found.values())


async def test_other_words_than_the_record_commits_to_are_told_to_nobody(records):
    asked = await records.put(PEOPLE[0], EntryKind.INQUIRY_REGISTERED, what_for="還付")
    row = (await searching.entry_row(records.agency, asked.entry_id)) or {}
    body = json.dumps(json.loads(row["body"]) | {"purpose": "0" * 64}).encode()
    assert subjects.open_personal(records.agency, row).purpose == "還付"
    assert subjects.open_personal(records.agency, {**dict(row), "body": body}).purpose is None


async def test_a_person_that_is_no_number_is_refused_without_being_repeated(records):
    with pytest.raises(ProblemError) as refused:
        await records.search(person="山田太郎")
    assert "山田" not in str(refused.value) + refused.value.detail
