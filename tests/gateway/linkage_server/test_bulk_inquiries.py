"""Inquiries in bulk (LS-3.2): each line is answered once, whatever it says and whatever became of it."""

from __future__ import annotations

import json

import pytest

from tests.support.bulk_world import (
    ACCOUNTS,
    AGENCIES,
    SCOPES,
    answered,
    file_of,
    request,
    result_bytes,
    rows,
    said,
    send,
    with_agencies,
)
from tests.support.change_files import change, day, take
from tests.support.resident_files import load, person


@pytest.fixture
async def intermediate(world):
    """An intermediate server that remembers, in a world whose register knows agencies; two hundred people are loaded by each test."""
    await world.register(scopes=SCOPES)
    return with_agencies(world)


async def through(world, lines, *, form="comma", encoding="cp932", name="a.dat", people=5):
    async with world.served():
        if people:
            await load(world.config.spool, [person(nth) for nth in range(1, people + 1)])
        folder = send(
            world,
            file_of(lines, form, encoding),
            name,
            count=len(lines),
            encoding=encoding,
            form="csv" if form == "csv" else "fixed_width",
        )
        return folder, await result_bytes(folder, name)


def said_of(row):
    """Statuses of line and information, class, reason, whether to ask again."""
    return (row[23], row[25], row[19], row[20], row[21])


@pytest.mark.parametrize(
    ("form", "encoding"), [("comma", "cp932"), ("width", "cp932"), ("csv", "utf-8"), ("comma", "utf-8")]
)
async def test_a_line_of_any_form_is_answered_in_the_known_columns(world, intermediate, form, encoding):
    line = request(1, addressee_number="0000000001") if form == "csv" else request(1)
    _, result = await through(world, [line], form=form, encoding=encoding)
    [row] = rows(result, encoding)
    assert len(row) == 48
    assert (row[1], row[12]) == (line["addressee_number"], AGENCIES["naikaku"])
    assert (row[23], row[24], row[25], row[26]) == ("09", "", "01", "正常終了")
    assert (row[34], row[38], row[42], row[44], row[46]) == ("9999", "001", "1", "0000001", "ﾓｷﾞ")
    assert row[22] == "agree"
    [item] = [json.loads(one) for asked in intermediate.questions.values() for one in asked]
    assert (item["provider"], item["item"], item["information"]) == (
        "naikaku",
        "69",
        "公的給付支給等口座登録簿関係情報",
    )
    assert (item["system"], item["actor"]) == ("kokuho", "file")


LINE_PROBLEMS = {
    "number_scheme": ("02", "malformed", "field_malformed"),
    "addressee_number": ("00000000000001x", "malformed", "field_malformed"),
    "integrated_number": ("123456789012345", "malformed", "field_malformed"),
    "requested_at": ("20230231090000000", "malformed", "field_malformed"),
    "department": ("部署", "malformed", "field_malformed"),
    "user_id": ("1234567890123456", "malformed", "field_malformed"),
    "inquirer": ("9999000000000009", "code_unknown", "inquirer_is_another_agency"),
    "non_disclosure": ("3", "not_carried", "not_carried_yet"),
    "affair": ("JM99000000000043", "code_unknown", "procedure_unknown"),
    "procedure": ("JT99000000000043", "code_unknown", "procedure_unknown"),
    "inquirer_delegation": ("9999000000000009", "code_unknown", "delegator_unknown"),
    "provider_delegation": ("9999000000000009", "code_unknown", "delegator_unknown"),
    "provider": ("99999", "provider_unknown", "provider_abroad"),
    "information": ("TM99000000000001", "code_unknown", "information_unknown"),
    "condition": ("1", "not_carried", "not_carried_yet"),
    "year_condition": ("1", "not_carried", "not_carried_yet"),
    "from_date": ("20230401", "not_carried", "not_carried_yet"),
    "to_date": ("20231301", "malformed", "field_malformed"),
}


CONDITIONS = {
    "any": ({}, None),
    "this_year": ({"condition": "1", "year_condition": "1"}, "2023-04-01/2024-03-31"),
    "last_year": ({"condition": "1", "year_condition": "2"}, "2022-04-01/2023-03-31"),
    "year_of_a_day": ({"condition": "1", "year_condition": "3", "from_date": "20210331"}, "2020-04-01/2021-03-31"),
    "period": ({"condition": "2", "from_date": "20210401", "to_date": "20210930"}, "2021-04-01/2021-09-30"),
}
MEANINGLESS = {
    "3": ({"condition": "3"}, 15),
    "a year without which": ({"condition": "1"}, 16),
    "a year of no day": ({"condition": "1", "year_condition": "3"}, 17),
    "a year and an end": ({"condition": "1", "year_condition": "1", "to_date": "20210930"}, 18),
    "no condition and a day": ({"from_date": "20210930"}, 17),
    "half a period": ({"condition": "2", "from_date": "20210930"}, 18),
    "a period that ends before it begins": ({"condition": "2", "from_date": "20210930", "to_date": "20210929"}, 18),
    "a period of a year": (
        {"condition": "2", "year_condition": "1", "from_date": "20210930", "to_date": "20210930"},
        16,
    ),
}


def judged(**changes):
    from gateway.linkage_server.bulk_inquiries.codes import read_codes
    from gateway.linkage_server.bulk_inquiries.form import FIELDS, Form, Line
    from gateway.linkage_server.bulk_inquiries.judging import Asker, judge
    from storage.reference_data import read_layouts

    agencies = {code: agency for agency, code in AGENCIES.items()}
    asker = Asker(
        agency_code=AGENCIES["setagaya"],
        basis="meirei-2024",
        codes=read_codes(None, layouts=read_layouts(), agencies=agencies),
    )
    line = request(1, **changes)
    return next(judge([Line(number=1, fields=tuple(line[name] for name in FIELDS), refused=None)], asker, Form.CSV))


@pytest.mark.parametrize("name", CONDITIONS)
def test_a_condition_of_a_line_becomes_the_days_asked_about(name):
    changes, days = CONDITIONS[name]
    found = judged(**changes).inquiry.days
    assert (None if found is None else str(found)) == days


@pytest.mark.parametrize("name", MEANINGLESS)
def test_a_condition_that_means_nothing_is_refused_with_its_field(name):
    changes, place = MEANINGLESS[name]
    found = judged(**changes)
    assert (found.reason, found.where.startswith(f"項目 {place}「")) == ("not_carried_yet", True)


async def test_non_disclosure_condition_and_delegation_of_a_line_reach_the_intermediate_server(world, intermediate):
    said = {
        "non_disclosure": "2", "condition": "1", "year_condition": "1", "inquirer_delegation": AGENCIES["naikaku"],
        "provider_delegation": AGENCIES["setagaya"],
    }  # fmt: skip
    await through(world, [request(1), request(1, **said)], name="said.dat")
    items = [json.loads(one) for asked in intermediate.questions.values() for one in asked]
    found = [
        tuple(item.get(name) for name in ("non_disclosure", "period", "inquirer_for", "provider_for")) for item in items
    ]
    assert sorted(found, key=str) == [
        (None, None, None, None),
        (True, "2023-04-01/2024-03-31", "naikaku", "setagaya"),
    ]


async def test_each_field_has_its_refusal_and_no_other_line_suffers(world, intermediate):
    bad = [request(1, **{name: value}) for name, (value, _, _) in LINE_PROBLEMS.items()]
    _, result = await through(world, [*bad, request(2)], form="csv", encoding="utf-8", name="a.csv")
    found = rows(result, "utf-8")
    for row, (name, (_, why, reason)) in zip(found, LINE_PROBLEMS.items(), strict=False):
        assert (row[19], row[20], row[21], row[25]) == (why, reason, "0", ""), name
        assert row[24]
        assert row[18] == ""
    assert found[-1][19] == "addressee_unknown"  # as CSV a number is taken as it is written, with its zeros
    assert intermediate.sent == {}


async def test_a_line_that_cannot_be_cut_is_refused_with_its_place(world, intermediate):
    good = request(1)
    short = "01,1"
    wide = request(2) | {"user_id": "漢字"}
    _, result = await through(world, [good, short, wide, "", request(3)])
    found = rows(result)
    assert [row[19] for row in found] == ["answered", "malformed", "malformed", "malformed", "answered"]
    assert [len(row) for row in found[1:4]] == [27, 27, 27]
    assert found[1][24] == "2 行目 4 桁目の書き方が正しくありません"
    assert found[3][20] == "line_length"
    assert sum(intermediate.sent.values()) == 2


async def test_an_outcome_of_every_kind_becomes_its_class(world, intermediate):
    outcomes = {
        1: (answered(), ("09", "01", "answered", "", "0")),
        2: (said("answered", "answered", values=[]), ("09", "11", "empty", "", "0")),
        3: (said("answered", "empty_by_reason", values=[]), ("09", "12", "empty_by_reason", "", "0")),
        4: (said("not_provided", "no_such_person", values=[]), ("09", "13", "no_such_person", "", "0")),
        5: (said("not_provided", "no_replica", values=[]), ("09", "14", "no_replica", "", "0")),
        6: (said("refused", "refused", "affair_not_listed"), ("11", "31", "not_permitted", "affair_not_listed", "0")),
        7: (
            said("refused", "refused", "refused_by_staff"),
            ("11", "32", "refused_by_provider", "refused_by_staff", "0"),
        ),
        8: (
            said("refused", "refused", "code_not_obtained"),
            ("12", "33", "code_not_obtained", "code_not_obtained", "1"),
        ),
        9: (said("aborted", "aborted", "deadline_passed"), ("12", "41", "timed_out", "deadline_passed", "1")),
        10: (said("aborted", "aborted", "outcome_signature"), ("12", "42", "aborted", "outcome_signature", "1")),
        11: (
            {"refused": {"reason": "idempotency_key_reused"}},
            ("12", "44", "person_changed", "idempotency_key_reused", "1"),
        ),
        12: (said("held", "held"), ("02", "21", "held", "", "0")),
        13: (said("permitted"), ("02", "22", "waiting", "", "0")),
        15: (said("refused", "refused", "code_cancelled"), ("12", "34", "code_cancelled", "code_cancelled", "0")),
        14: (
            said("not_provided", "not_provided", "result_deleted"),
            ("12", "43", "answer_deleted", "result_deleted", "1"),
        ),
    }
    numbers = {}

    def says(item):
        return outcomes[numbers[item["integrated_number"]]][0]

    intermediate.says = says
    async with world.served():
        await load(world.config.spool, [person(nth) for nth in outcomes])
        for row in await world.rows("select addressee_number, integrated_number from addressee"):
            numbers[f"{row['integrated_number']:015d}"] = int(row["addressee_number"])
        folder = send(world, file_of([request(nth) for nth in outcomes]), "a.dat", count=len(outcomes))
        found = rows(await result_bytes(folder, "a.dat"))
    assert [said_of(row) for row in found] == [expected for _, expected in outcomes.values()]
    assert (
        found[5][26]
        == f"指定された特定個人情報名「{ACCOUNTS.translate({n: n + 0xFEE0 for n in range(0x21, 0x7F)})}」の照会は許可されていません"
    )
    again = (folder / "done" / "a.again.dat").read_bytes()
    later = [request(nth, requested_at="20230601090000001") for nth, (_, said_) in outcomes.items() if said_[4] == "1"]
    assert again == file_of(later)
    manifest = json.loads((folder / "done" / "a.again.dat.manifest.json").read_text())
    assert (manifest["file"], manifest["kind"], manifest["count"]) == ("a.again.dat", "inquiries", len(later))


async def test_the_ready_made_file_is_asked_anew_when_it_is_sent(world, intermediate):
    intermediate.says = lambda _item: said("refused", "refused", "code_not_obtained")
    async with world.served():
        await load(world.config.spool, [person(1)])
        folder = send(world, file_of([request(1)]), "a.dat", count=1)
        await result_bytes(folder, "a.dat")
        intermediate.says = lambda _item: answered()
        for name in ("a.again.dat", "a.again.dat.manifest.json"):
            (folder / "done" / name).rename(folder / "in" / name)
        [row] = rows(await result_bytes(folder, "a.again.dat"))
    assert row[19] == "answered"
    assert len(intermediate.sent) == 2


async def test_unknown_ended_and_replaced_numbers_are_orphans_on_record(world, intermediate):
    async with world.served():
        await load(world.config.spool, [person(nth) for nth in (1, 2, 3)])
        await load(world.config.spool, [person(3, addressee_number="0000000030")], name="another.csv")
        ends = [
            change("e2", 2, "addressee_end", day(), system="kokuho"),
            change("e3", 3, "addressee_end", day(), system="kokuho", replaced_by="0000000033"),
        ]
        assert await take(world, ends, name="ends.csv", system="kokuho") == [("applied", "")] * 2
        lines = [request(nth) for nth in (1, 2, 3, 4)]
        folder = send(world, file_of(lines), "a.dat", count=4)
        found = rows(await result_bytes(folder, "a.dat"))
    assert [row[19] for row in found] == ["answered", "addressee_ended", "addressee_replaced", "addressee_unknown"]
    assert (folder / "done" / "a.dat.orphans.csv").read_text().splitlines() == [
        "line,addressee_number,reason,current_addressee_number",
        "2,000000000000002,addressee_ended,",
        "3,000000000000003,addressee_replaced,0000000033",
        "4,000000000000004,addressee_unknown,",
    ]
    records = await world.rows("select inquiry_number from log_entry where kind = 'inquiry.refused' order by idx")
    assert sorted(row["inquiry_number"] for row in records) == sorted(row[18] for row in found[1:])


async def test_a_frozen_person_is_not_asked_about(world, intermediate):
    async with world.served():
        await load(world.config.spool, [person(1)])
        await world.rows("update person set frozen = true returning 1")
        folder = send(world, file_of([request(1)]), "a.dat", count=1)
        [row] = rows(await result_bytes(folder, "a.dat"))
    assert said_of(row) == ("12", "45", "person_frozen", "person_frozen", "1")
    assert intermediate.sent == {}


async def test_numbers_that_differ_in_leading_zeros_alone_are_not_guessed(world, intermediate):
    async with world.served():
        await load(world.config.spool, [person(1), person(2, addressee_number="1")])
        folder = send(world, file_of([request(1)]), "a.dat", count=1)
        [row] = rows(await result_bytes(folder, "a.dat"))
    assert row[19] == "addressee_ambiguous"
    assert intermediate.sent == {}


async def test_the_same_question_twice_in_a_file_is_asked_once(world, intermediate):
    _, result = await through(world, [request(1), request(2), request(1)])
    assert [row[19] for row in rows(result)] == ["answered", "answered", "duplicate"]
    assert sum(intermediate.sent.values()) == 2


async def test_a_former_address_in_a_ward_of_a_designated_city_asks_the_city(world, tmp_path):
    await world.register(scopes=SCOPES)
    codes = tmp_path / "codes.yaml"
    codes.write_text(
        "affairs: [{code: JM99000000000042, name: x, procedures: [{code: JT99000000000042, name: 照会, items: {meirei-2024: '69'}}]}]\n"
        "municipalities: {'14100': suginami, '13115': naikaku}\n",
        encoding="utf-8",
    )
    intermediate = with_agencies(world, inquiry_codes={"setagaya": str(codes)})
    lines = [
        request(1, provider="14101"),
        request(2, provider="14100"),
        request(3, provider="13115"),
        request(4, provider="14131"),
    ]
    _, result = await through(world, lines)
    asked = [json.loads(one)["provider"] for some in intermediate.questions.values() for one in some]
    assert asked == ["suginami", "suginami", "naikaku"]
    assert [row[19] for row in rows(result)] == ["answered"] * 3 + ["provider_unknown"]


async def test_lines_of_any_length_are_refused_one_by_one(world, intermediate):
    long = "0" * 1_000_000
    _, result = await through(world, [request(1), long, request(2)])
    assert [(row[19], row[20]) for row in rows(result)] == [
        ("answered", ""),
        ("malformed", "line_too_long"),
        ("answered", ""),
    ]


async def test_a_result_that_cannot_be_written_in_the_files_encoding_says_so_and_loses_no_other(world, intermediate):
    names = iter(("モギ", "𠮷"))
    intermediate.says = lambda _item: answered(名義人氏名カナ={"value": next(names)})
    _, result = await through(world, [request(1), request(2)])
    assert [row[19] for row in rows(result)] == ["answered", "not_in_encoding"]
    assert rows(result)[1][18]
    assert rows(result)[1][26].startswith("列 46「名義人氏名カナ」にこの")
    assert "?" not in result.decode("cp932")


async def test_the_same_file_in_another_encoding_gets_what_the_first_could_not_carry_and_asks_nobody(
    world, intermediate
):
    intermediate.says = lambda _item: answered(名義人氏名カナ={"value": "𠮷"})
    lines = [request(1)]
    await through(world, lines)
    asked = len(intermediate.questions)
    _, result = await through(world, lines, encoding="utf-8", name="again.dat", people=0)
    [row] = rows(result, "utf-8")
    assert (row[19], row[46]) == ("answered", "𠮷")
    assert len(intermediate.questions) == asked == 1


async def test_a_result_file_that_is_fetched_again_is_on_record_by_who_asked_and_about_whom(world, intermediate):
    """SC-7: the inquiries' own records cover the first time."""
    lines = [request(1, user_id="tanto-1"), request(2), request(9999)]
    await through(world, lines)
    seen = "select body, personal from log_entry where kind = 'persons.seen' order by idx"
    assert await world.rows(seen) == []
    await through(world, lines, name="again.dat", people=0)
    entries = [json.loads(row["body"]) for row in await world.rows(seen)]
    assert [(one["actor"], one["facts"]["staff"], one["facts"]["look"]) for one in entries] == [
        ("kokuho", "tanto-1", "inquiry_file"),
        ("kokuho", "", "inquiry_file"),
    ]
    assert [(one["facts"]["count"], len(one["facts"]["subjects"])) for one in entries] == [(1, 1)] * 2
    assert len({one["facts"]["file"] for one in entries}) == 1
    assert len(await world.rows("select 1 from access_subject")) == 2


async def test_the_same_file_in_an_encoding_that_does_not_hold_its_own_lines_is_answered_all_the_same(
    world, intermediate
):
    lines = [request(nth, addressee_number=f"{nth:010d}", **more) for nth, more in ((1, {}), (2, {"department": "𠮷"}))]
    _, first = await through(world, lines, form="csv", encoding="utf-8")
    folder = send(world, file_of(lines, "csv", "utf-8"), "again.csv", count=2, encoding="cp932", form="csv")
    async with world.served():
        second = await result_bytes(folder, "again.csv")
    assert [row[19] for row in rows(first, "utf-8")] == ["answered", "malformed"]
    assert [(row[0], row[19]) for row in rows(second)] == [("01", "answered"), ("", "not_in_encoding")]
    assert rows(second)[1][26].startswith("列 4「情報照会者部署コード」にこの")


async def test_a_holder_who_is_somebody_else_is_said_and_nothing_is_withheld(world, intermediate):
    intermediate.says = lambda _item: answered(名義人氏名カナ={"value": "ﾍﾞﾂｼﾞﾝ"})
    _, result = await through(world, [request(1)])
    [row] = rows(result)
    assert (row[19], row[22], row[46]) == ("answered", "differ:名義人氏名カナ", "ﾍﾞﾂｼﾞﾝ")
