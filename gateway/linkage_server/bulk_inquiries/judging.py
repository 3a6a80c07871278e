"""From a line of an inquiry file to a question that the desk can ask, or to why there is none. Pure.

1. The line is cut into its 18 fields, each in its form.
2. 不開示 and the condition (none, a fiscal year, a period) say what they mean, in values of ours; anything else is refused, not dropped.
3. The inquirer is this agency; affair, procedure and information have codes that are known here.
4. The provider is known by 機関コード or former address, whoever has delegated by 機関コード.
5. The same question does not stand in the file before.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

from msgspec import UNSET

from codebook.periods import Period, fiscal_year, fiscal_year_of
from gateway.batch.text_forms import TextRefused
from gateway.linkage_server import free_text
from gateway.linkage_server.bulk_inquiries.classes import LineClass
from gateway.linkage_server.bulk_inquiries.codes import Codes
from gateway.linkage_server.bulk_inquiries.form import BY_YEAR, FIELDS, YEAR_NAMED, YEARS_BEFORE, Form, Line, instant
from gateway.linkage_server.inquiry_desk.inquiry import Days, Inquiry

NAMES: Final = dict(
    zip(
        FIELDS,
        (
            "番号体系", "宛名番号", "統合宛名番号", "照会依頼日時", "情報照会者部署コード", "情報照会者ユーザーID", "情報照会者機関コード", "照会側不開示コード",
            "事務コード", "事務手続コード", "照会者機関コード（委任元）", "提供者機関コード（委任元）", "提供者機関コード", "特定個人情報名コード", "照会条件区分",
            "照会年度区分", "照会開始日付", "照会終了日付",
        ),
        strict=True,
    )
)  # fmt: skip
"""The fields in the words of the standard, for messages."""

NO_USER: Final = "file"
"""Who asked, where the line names nobody: field 6 is blank in practice."""

_CODE: Final = r"[0-9A-Za-z]{16}"
_FORMS: Final = {
    name: re.compile(form)
    for name, form in {
        "number_scheme": "01",
        "addressee_number": "[0-9]{1,15}",
        "integrated_number": "",
        "department": "[0-9A-Za-z]{0,20}",
        "user_id": "|[A-Za-z0-9][A-Za-z0-9._-]{0,19}",
        "inquirer": _CODE,
        "non_disclosure": "[0-9]",
        "affair": _CODE,
        "procedure": _CODE,
        "inquirer_delegation": f"|{_CODE}",
        "provider_delegation": f"|{_CODE}",
        "provider": rf"[0-9]{{5}}|{_CODE}",
        "information": _CODE,
        "condition": "[0-9]",
        "year_condition": "[0-9]",
        "from_date": "|[0-9]{8}",
        "to_date": "|[0-9]{8}",
    }.items()
}
_NON_DISCLOSURE: Final = {"1": False, "2": True}
"""Field 8. `1` is the value seen; that it means 開示 is our reading, and `2` for 不開示 is ours."""
_ANY, _PERIOD = "0", "2"
"""Field 15: no condition (the value seen), or by period (ours); there is BY_YEAR, too."""


class _NotCarriedError(Exception):
    """A field says what this network has no meaning for; the name of the field."""


@dataclass(frozen=True, slots=True, repr=False)
class Question:
    """A line that can be asked once the addressee is found."""

    number: int
    fields: tuple[str, ...]
    inquiry: Inquiry


@dataclass(frozen=True, slots=True, repr=False)
class NoQuestion:
    """A line that is not asked. `where`: the field or place in the words of the message, empty when there is none."""

    number: int
    fields: tuple[str, ...]
    why: LineClass
    reason: str
    where: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """Whose file it is, and when: its 機関コード and the basis in force today."""

    agency_code: str
    basis: str
    codes: Codes


def judge(lines: Iterable[Line], asker: Asker, form: Form) -> Iterator[Question | NoQuestion]:
    """Every line in order. In CSV an addressee number is written as it is registered: 7 and 07 are two."""
    width = 0 if form is Form.CSV else 15
    seen: set[tuple[str, ...]] = set()
    for line in lines:
        found = _judge(line, asker)
        if isinstance(found, Question):
            # 5
            same = (
                found.inquiry.provider,
                found.inquiry.item,
                found.inquiry.information,
                line.fields[1].zfill(width),
                *line.fields[7:12],
                str(found.inquiry.days),
            )
            if same in seen:
                yield NoQuestion(line.number, line.fields, LineClass.DUPLICATE, "duplicate_line")
                continue
            seen.add(same)
        yield found


def _judge(line: Line, asker: Asker) -> Question | NoQuestion:  # noqa: PLR0911 (one return for each numbered step)
    # 1
    if line.refused is not None:
        return _cut_wrongly(line.number, line.refused)
    given = dict(zip(FIELDS, line.fields, strict=True))
    bad = _misformed(given)
    if bad is not None:
        return NoQuestion(line.number, line.fields, LineClass.MALFORMED, "field_malformed", _place(bad))
    # 2
    try:
        days = _days(given)
    except _NotCarriedError as unmeant:
        return NoQuestion(line.number, line.fields, LineClass.NOT_CARRIED, "not_carried_yet", _place(str(unmeant)))
    # 3
    if given["inquirer"] != asker.agency_code:
        return NoQuestion(
            line.number, line.fields, LineClass.CODE_UNKNOWN, "inquirer_is_another_agency", _place("inquirer")
        )
    procedure = asker.codes.procedures.get((given["affair"], given["procedure"]))
    item = procedure.items.get(asker.basis) if procedure else None
    if procedure is None or item is None:
        return NoQuestion(line.number, line.fields, LineClass.CODE_UNKNOWN, "procedure_unknown", _place("procedure"))
    information = asker.codes.information.get(given["information"])
    if information is None:
        return NoQuestion(
            line.number, line.fields, LineClass.CODE_UNKNOWN, "information_unknown", _place("information")
        )
    # 4
    provider = asker.codes.provider(given["provider"])
    if provider is None:
        reason = "provider_abroad" if given["provider"] in asker.codes.abroad else "provider_unknown"
        return NoQuestion(line.number, line.fields, LineClass.PROVIDER_UNKNOWN, reason)
    for name in ("inquirer_delegation", "provider_delegation"):
        if given[name] and given[name] not in asker.codes.agencies:
            return NoQuestion(line.number, line.fields, LineClass.CODE_UNKNOWN, "delegator_unknown", _place(name))
    inquiry = Inquiry(
        addressee_number=given["addressee_number"],
        provider=provider,
        item=item,
        information=information,
        purpose=procedure.purpose,
        staff=given["user_id"] or NO_USER,
        basis=asker.basis,
        non_disclosure=_NON_DISCLOSURE[given["non_disclosure"]] or UNSET,
        period=UNSET if days is None else Days(days.first, days.last),
        inquirer_for=asker.codes.agencies.get(given["inquirer_delegation"], UNSET),
        provider_for=asker.codes.agencies.get(given["provider_delegation"], UNSET),
    )
    return Question(line.number, line.fields, inquiry)


def _days(given: Mapping[str, str]) -> Period | None:
    """照会条件: the days asked about, None for any. Raises _NotCarriedError with the field, this one or 不開示, that has no meaning here."""
    if given["non_disclosure"] not in _NON_DISCLOSURE:
        raise _NotCarriedError("non_disclosure")
    condition, year, first, last = (given[name] for name in ("condition", "year_condition", "from_date", "to_date"))
    wanted = {
        _ANY: {"year_condition": year == "0", "from_date": not first, "to_date": not last},
        BY_YEAR: {
            "year_condition": year in (*YEARS_BEFORE, YEAR_NAMED),
            "from_date": bool(first) == (year == YEAR_NAMED),
            "to_date": not last,
        },
        _PERIOD: {"year_condition": year == "0", "from_date": bool(first), "to_date": last >= first and bool(last)},
    }.get(condition, {"condition": False})
    for name, right in wanted.items():
        if not right:
            raise _NotCarriedError(name)
    if condition == _ANY:
        return None
    if condition == _PERIOD:
        return Period(_day(first), _day(last))
    asked_at = instant(given["requested_at"])
    day = _day(first) if year == YEAR_NAMED or asked_at is None else asked_at.date()
    if day == date.max:
        raise _NotCarriedError("from_date")
    return fiscal_year(fiscal_year_of(day) - YEARS_BEFORE.get(year, 0))


def _day(text: str) -> date:
    return date.fromisoformat(f"{text[:4]}-{text[4:6]}-{text[6:]}")


def _cut_wrongly(number: int, refused: TextRefused) -> NoQuestion:
    where = f"{refused.line} 行目 {refused.column} 桁目"
    return NoQuestion(number, (), LineClass.MALFORMED, refused.reason.value, where)


def _misformed(given: Mapping[str, str]) -> str | None:
    """The first field that does not have its form."""
    for name, form in _FORMS.items():
        if not form.fullmatch(given[name]):
            return name
    if instant(given["requested_at"]) is None:
        return "requested_at"
    if not free_text.is_safe(given["user_id"]):
        return "user_id"
    for name in ("from_date", "to_date"):
        if given[name] and not _is_day(given[name]):
            return name
    return None


def _is_day(text: str) -> bool:
    """A day of the calendar whose fiscal year is one, too; or the last day of all, as files write an end that is open."""
    try:
        day = _day(text)
    except ValueError:
        return False
    return date.min.year < day.year < date.max.year or day == date.max


def _place(name: str) -> str:
    return f"項目 {FIELDS.index(name) + 1}「{NAMES[name]}」"
