"""Lines of inquiry files, whatever bytes they are: each comes to exactly one verdict, and no good line suffers from a bad one (LS-3.2)."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.linkage_server.bulk_inquiries import codes, form, judging
from gateway.linkage_server.bulk_inquiries.classes import STATUSES, LineClass, class_of
from gateway.linkage_server.bulk_inquiries.form import FIELDS, Form
from gateway.linkage_server.bulk_inquiries.judging import Asker, NoQuestion, Question
from gateway.linkage_server.inquiry_desk import matching
from gateway.linkage_server.lines import lines_of
from storage.reference_data import read_layouts
from tests.support.bulk_world import AGENCIES, file_of, request

CODES = codes.read_codes(None, layouts=read_layouts(), agencies={code: name for name, code in AGENCIES.items()})
ASKER = Asker(agency_code=AGENCIES["setagaya"], basis="meirei-2024", codes=CODES)
FORMS = {"comma": Form.COMMA_AND_WIDTH, "width": Form.WIDTH, "csv": Form.CSV}
ENCODINGS = ("cp932", "utf-8")
PERIOD = {"condition": "2", "from_date": "20230401", "to_date": "20240331"}


def judged(data: bytes, encoding: str):
    lines = list(lines_of(io.BytesIO(data)))
    found = form.form_of(lines, encoding)
    return found, list(judging.judge(form.read(lines, encoding, found), ASKER, found)) if found else []


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("kind", FORMS)
@settings(max_examples=120, deadline=None)
@given(junk=st.binary(max_size=300).map(lambda data: data.replace(b"\n", b" ")), at=st.integers(0, 3))
def test_a_line_of_junk_is_one_refused_line_and_the_others_are_questions(kind, encoding, junk, at):
    lines = file_of([request(nth) for nth in range(1, 4)], kind, encoding).splitlines(keepends=True)
    lines.insert(at + (kind == "csv"), junk + b"\r\n")
    found, verdicts = judged(b"".join(lines), encoding)
    assert found is FORMS[kind]
    assert len(verdicts) == 4
    assert [one.number for one in verdicts] == [nth + (kind == "csv") for nth in range(1, 5)]
    assert isinstance(verdicts[at], NoQuestion)
    assert sum(isinstance(one, Question) for one in verdicts) == 3


@pytest.mark.parametrize("kind", FORMS)
@settings(max_examples=150, deadline=None)
@given(cut=st.integers(0, 236))
def test_a_truncated_line_is_refused(kind, cut):
    whole = file_of([request(1), request(2)], kind)
    *head, last = whole.splitlines(keepends=True)
    short = last.rstrip(b"\r\n")[: min(cut, len(last.rstrip()) - 1)]
    _, verdicts = judged(b"".join(head) + short + b"\r\n", "cp932")
    assert isinstance(verdicts[0], Question)
    assert isinstance(verdicts[-1], NoQuestion)


@pytest.mark.parametrize("name", FIELDS)
@settings(max_examples=60, deadline=None)
@given(value=st.text(max_size=40))
def test_any_text_in_any_field_is_a_verdict(name, value):
    line = request(1) | {name: value.replace("\n", "").replace("\r", "").replace(",", "").replace('"', "")}
    lines = [form.Line(1, tuple(line[field] for field in FIELDS))]
    [found] = judging.judge(lines, ASKER, Form.CSV)
    assert isinstance(found, Question | NoQuestion)


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"condition": "1", "year_condition": "3", "from_date": "99990401"}, "照会開始日付"),
        ({"condition": "1", "year_condition": "3", "from_date": "00010101"}, "照会開始日付"),
        ({"condition": "1", "year_condition": "3", "from_date": "99991231"}, "照会開始日付"),
        ({"condition": "1", "year_condition": "1", "requested_at": "99990401000000000"}, "照会依頼日時"),
        ({"condition": "1", "year_condition": "2", "requested_at": "00010101000000000"}, "照会依頼日時"),
        ({"requested_at": "99991231235959999"}, "照会依頼日時"),
        ({"requested_at": "09991231235959999"}, "照会依頼日時"),
    ],
)
@pytest.mark.parametrize("kind", FORMS)
def test_a_day_at_the_end_of_time_is_refused_by_its_field_and_the_others_are_questions(kind, changes, place):
    _, verdicts = judged(file_of([request(1), request(2) | changes, request(3)], kind), "cp932")
    assert [type(one) for one in verdicts] == [Question, NoQuestion, Question]
    assert place in verdicts[1].where


def test_an_open_end_may_be_the_last_day_of_all():
    _, [found] = judged(file_of([request(1) | PERIOD | {"to_date": "99991231"}]), "cp932")
    assert str(found.inquiry.days) == "2023-04-01/9999-12-31"


@pytest.mark.parametrize("kind", FORMS)
def test_numbers_that_differ_in_leading_zeros_are_two_in_csv_alone(kind):
    lines = [request(1) | {"addressee_number": number} for number in ("7", "07")]
    _, verdicts = judged(file_of(lines, kind), "cp932")
    assert [type(one) for one in verdicts] == [Question, Question if kind == "csv" else NoQuestion]


@settings(max_examples=200, deadline=None)
@given(data=st.binary(max_size=2_000), encoding=st.sampled_from(ENCODINGS))
def test_any_bytes_are_a_form_or_none(data, encoding):
    _, verdicts = judged(data, encoding)
    assert all(isinstance(one, Question | NoQuestion) for one in verdicts)


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (b"\xef\xbb\xbf" + file_of([request(1)], encoding="utf-8").rstrip(), "character_control"),
        (b"0" * 1_000_000, "line_too_long"),
        ("0" * 219 + "\ue000", "character_private_use"),
        ("0" * 219 + "〓", "character_replaced"),
        (file_of([request(1)], "width").rstrip(b"\r\n"), "line_length"),
        (b"\xed\xa0\x80" + b"0" * 217, "character_not_in_encoding"),
    ],
    ids=["bom inside", "a million characters", "gaiji", "geta", "the other form", "surrogate"],
)
def test_what_a_channel_cannot_carry_is_refused_by_name(bad, reason):
    bad = bad.encode() if isinstance(bad, str) else bad
    data = file_of([request(1)], encoding="utf-8") + bad + b"\r\n" + file_of([request(2)], encoding="utf-8")
    _, verdicts = judged(data, "utf-8")
    assert [type(one) for one in verdicts] == [Question, NoQuestion, Question]
    assert verdicts[1].reason == reason


def test_line_feeds_alone_and_a_mark_at_the_beginning_are_taken():
    data = b"\xef\xbb\xbf" + file_of([request(1), request(2)], encoding="utf-8").replace(b"\r\n", b"\n").rstrip(b"\n")
    _, verdicts = judged(data, "utf-8")
    assert [type(one) for one in verdicts] == [Question, Question]


@pytest.mark.parametrize("kind", FORMS)
@settings(max_examples=60, deadline=None)
@given(
    user=st.from_regex(r"[A-Za-z][A-Za-z0-9._-]{0,8}", fullmatch=True),
    at=st.datetimes(allow_imaginary=False).filter(lambda at: (at.month, at.day) != (2, 29)),
)
def test_a_file_to_ask_again_has_the_same_questions_a_millisecond_later(kind, user, at):
    line = request(7, user_id=user, requested_at=at.replace(year=2000 + at.year % 100).strftime("%Y%m%d%H%M%S%f")[:17])
    fields = tuple(line[name] for name in FIELDS)
    made = form.write_again([fields], "cp932", FORMS[kind])
    found, [verdict] = judged(made, "cp932")
    assert found is FORMS[kind]
    assert isinstance(verdict, Question)
    assert verdict.fields[:3] + verdict.fields[4:] == fields[:3] + fields[4:]
    before, after = form.instant(fields[3]), form.instant(verdict.fields[3])
    assert (after - before).total_seconds() == 0.001


@pytest.mark.parametrize("kind", FORMS)
@pytest.mark.parametrize(("year", "asked"), [("1", "2022-04-01/2023-03-31"), ("2", "2021-04-01/2022-03-31")])
def test_a_file_to_ask_again_asks_about_the_same_fiscal_year_also_across_its_end(kind, year, asked):
    line = request(7, requested_at="20230331235959999", condition="1", year_condition=year)
    fields = tuple(line[name] for name in FIELDS)
    for _ in range(2):  # the re-ask file, and that of the re-ask file
        _, [verdict] = judged(form.write_again([fields], "cp932", FORMS[kind]), "cp932")
        assert str(verdict.inquiry.days) == asked
        fields = verdict.fields
    assert fields[3] == "20230401000000001"


# the data


def test_the_twenty_designated_cities_have_their_wards():
    text = (Path(codes.__file__).parent / "designated_cities.yaml").read_text(encoding="utf-8")
    cities = yaml.load(text, Loader=yaml.CSafeLoader)["cities"]
    counts = {city["name"]: len(city["wards"]) for city in cities}
    assert len(cities) == 20
    assert counts == {
        "札幌市": 10, "仙台市": 5, "さいたま市": 10, "千葉市": 6, "横浜市": 18, "川崎市": 7, "相模原市": 3, "新潟市": 8, "静岡市": 3, "浜松市": 3,
        "名古屋市": 16, "京都市": 11, "大阪市": 24, "堺市": 7, "神戸市": 9, "岡山市": 4, "広島市": 8, "北九州市": 7, "福岡市": 7, "熊本市": 5,
    }  # fmt: skip
    every = [ward for city in cities for ward in (*city["wards"], *city.get("former", ()))]
    assert len(every) == len(set(every))
    assert all(ward[:2] == city["code"][:2] and ward > city["code"] for city in cities for ward in city["wards"])
    assert (CODES.wards["14101"], CODES.wards["22131"], CODES.wards["40131"]) == ("14100", "22130", "40130")
    assert not [ward for ward in CODES.wards if ward.startswith("13")]


def test_codes_that_are_not_seen_in_public_are_visibly_ours():
    raw = yaml.load((Path(codes.__file__).parent / "codes.yaml").read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    named = [one for affair in raw["affairs"] for one in (affair, *affair["procedures"])]
    assert all(one.get("public") or re.fullmatch(r"J[MT]99[0-9]{12}", one["code"]) for one in named)
    assert {one["code"] for one in named if one.get("public")} == {
        "JM01000000121000",
        "JT01010000000001",
        "JT01010000000214",
    }


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "affairs: 3", "affairs: []\nmunicipalities: {'1310': setagaya}", "affairs: []\nabroad: ['x']",
        "affairs: [{code: short, procedures: [{code: JT99000000000042, name: x, items: {}}]}]",
        "affairs: [{code: JM99000000000042, procedures: [{code: JT99000000000042, name: '照会 1234-5678-9018', items: {}}]}]",
        "affairs: []\nmunicipalities: {'14101': suginami}",
    ],
)  # fmt: skip
def test_a_file_of_codes_that_is_none_is_refused(text):
    cities = "cities: [{code: '14100', wards: ['14101']}]"
    with pytest.raises(codes.CodesError, match=r"codes\.yaml"):
        codes.parse(text, cities, layouts=(), agencies={})


def test_every_class_has_its_status_and_only_success_has_the_known_one():
    assert set(STATUSES) == set(LineClass)
    known = [name for name, status in STATUSES.items() if (status.line, status.information) == ("09", "01")]
    assert known == [LineClass.ANSWERED]
    pairs = [(status.line, status.information) for status in STATUSES.values()]
    assert len(pairs) == len(set(pairs))


@pytest.mark.parametrize(
    ("reason", "line_class", "again"),
    [
        ("affair_not_listed", LineClass.NOT_PERMITTED, False),
        ("delegation_not_on_file", LineClass.NOT_PERMITTED, False),
        ("code_epoch_over", LineClass.CODE_NOT_OBTAINED, True),
        ("code_cancelled", LineClass.CODE_CANCELLED, False),
        ("use_suspended", LineClass.USE_SUSPENDED, True),
        ("refused_by_staff", LineClass.REFUSED_BY_PROVIDER, False),
    ],
)
def test_a_refusal_says_whether_asking_again_can_help(reason, line_class, again):
    found = class_of("refused", "refused", reason, None)
    assert (found, STATUSES[found].again) == (line_class, again)


def test_the_documented_table_is_the_one_in_the_code():
    page = (Path(__file__).resolve().parents[3] / "docs" / "inquiry-files.md").read_text(encoding="utf-8")
    documented = {
        tuple(cell.strip(" `") for cell in line.strip("|").split("|"))
        for line in page.splitlines()
        if line.startswith("| `")
    }
    for name, status in STATUSES.items():
        row = (name.value, status.line, status.information, status.message, "○" if status.again else "")
        assert row in documented, row


# the finding of SC-22

HELD = ("模擬　太郎", "モギ　タロウ", "1", "1980-01-31", "東京都")


@pytest.mark.parametrize(
    ("items", "result"),
    [
        ({"名義人氏名カナ": "ﾓｷﾞ ﾀﾛｳ"}, "agree"),
        ({"名義人氏名カナ": "もぎたろう"}, "agree"),
        ({"名義人氏名カナ": "ﾓｷﾞ ｼﾞﾛｳ"}, "differ"),
        ({"名義人氏名カナ": "ﾓｷ ﾀﾛｳ"}, "differ"),
        ({"名義人氏名カナ": "ﾓｷﾞ ﾀﾛ-"}, "differ"),
        ({"名義人氏名カナ": ""}, "not_comparable"),
        ({"氏名": "模擬 太郎"}, "agree"),
        ({"氏名": "模擬 次郎", "生年月日": "1980-01-31"}, "differ"),
        ({"生年月日": "19800131"}, "agree"),
        ({"生年月日": "１９８０－０１－３１"}, "agree"),
        ({"生年月日": "昭和55年1月31日"}, "agree"),
        ({"生年月日": "S55.01.31"}, "agree"),
        ({"生年月日": "昭和55年1月30日"}, "differ"),
        ({"生年月日": "昭和五十五年"}, "differ"),
        ({"口座番号": "0000001"}, "not_comparable"),
    ],
)
def test_a_result_is_compared_with_the_person_held(items, result):
    values = [{"items": {name: {"value": value} for name, value in items.items()}}]
    found = matching.compare(values, HELD)
    assert found["result"] == result
    assert set(found["items"]) == set(items) & set(matching.ITEMS)


def test_a_finding_says_which_folds_made_an_item_agree():
    items = {"氏名": "模擬　太郎", "氏名カナ": "ﾓｷﾞ ﾀﾛｳ", "生年月日": "Ｓ５５．１．３１", "名義人氏名カナ": "ベツジン"}
    values = [{"items": {name: {"value": value} for name, value in items.items()}}]
    assert matching.compare(values, HELD)["folds"] == {
        "氏名カナ": ["half_width_kana", "spaces"],
        "生年月日": ["compatibility", "era"],
    }


def test_one_record_that_differs_is_enough_and_an_absent_person_is_not_compared():
    values = [{"items": {"氏名カナ": {"value": kana}}} for kana in ("モギタロウ", "ベツジン", "モギタロウ")]
    assert matching.compare(values, HELD) == {"result": "differ", "items": {"氏名カナ": "differ"}}
    assert matching.compare(values, None)["result"] == "not_comparable"


@pytest.mark.parametrize("kana", [("モギタロウ", ""), ("", "モギタロウ")], ids=["named first", "named last"])
def test_a_record_that_names_nobody_keeps_its_item_from_agreeing_in_whatever_order(kana):
    values = [{"items": {"名義人氏名カナ": {"value": one}}} for one in kana]
    assert matching.compare(values, HELD)["result"] == "not_comparable"
    values = [one | {"items": {**one["items"], "生年月日": {"value": "1980-01-31"}}} for one in values]
    assert matching.compare(values, HELD)["result"] == "agree"


@pytest.mark.parametrize(
    "values",
    [
        None,
        3,
        "x",
        [],
        [3],
        [{"items": 3}],
        [{"items": {"氏名": 3}}],
        [{"items": {"氏名": {"null_reason": "Unknown"}}}],
    ],
)
def test_a_result_in_any_form_is_compared_without_breaking(values):
    assert matching.compare(values, HELD)["result"] == "not_comparable"
