"""Business information of synthetic people: insurance, receiving account, unemployment benefit, resident tax.

Items are those of the layouts in codebook/layout_data in force on AGES_COUNTED_ON. Banks are fictional: every
金融機関コード begins with 9 and every bank is called ｶｸｳ (fictional).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from enum import StrEnum
from hashlib import blake2b
from typing import Any

from codebook.layouts import NullReason
from synthetic.bank_kana import as_banks_write
from synthetic.draws import draw, key_for
from synthetic.people import AGES_COUNTED_ON, Person, age_on

MEDICAL_INSURANCE = "医療保険給付関係情報"
RECEIVING_ACCOUNT = "公的給付支給等口座登録簿関係情報"
UNEMPLOYMENT = "失業等給付関係情報"
LOCAL_TAX = "地方税関係情報"
NOTICE = "お知らせ"
VERSIONS = dict.fromkeys((MEDICAL_INSURANCE, RECEIVING_ACCOUNT, UNEMPLOYMENT, LOCAL_TAX, NOTICE), "0001")

_PER_MILLE = 1000
_INSURED = 280
_BARRED = 10
_UNEMPLOYED = 120
_WITHOUT_ACCOUNT = 20
_IN_ANOTHER_NAME = 45
_INSURER = "99999999"
_NOTICES = ("保険料の納入通知をお送りしました", "口座振替の手続きが済みました", "保険証の更新について")
_FISCAL_YEAR = 2022
_WORKING_AGE = 18
_FREE_OF_TAX, _DEDUCTED = 450_000, 430_000

Item = str | NullReason


class AccountCase(StrEnum):
    """What the account register holds of a person."""

    OWN_NAME = "own_name"
    ANOTHER_NAME = "another_name"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class BusinessRecord:
    """One data set of one person under a business system's addressee number; record_id is its retry identity."""

    system: str
    addressee_number: str
    record_id: str
    information: str
    data_set: str
    version: str
    public_from: date
    auto_response: str
    items: Mapping[str, Item]

    def __repr__(self) -> str:
        return "BusinessRecord()"

    def wire_items(self) -> dict[str, dict[str, str]]:
        """Each item as {"value": …} or {"null_reason": …}, as check_record and the payload have it."""
        return {
            name: {"null_reason": item.value} if isinstance(item, NullReason) else {"value": item}
            for name, item in self.items.items()
        }

    def as_line(self) -> dict[str, Any]:
        """The record as one JSON object of a business file."""
        return {
            "record_id": self.record_id,
            "operation": "register",
            "system": self.system,
            "addressee_number": self.addressee_number,
            "information": self.information,
            "data_set": self.data_set,
            "version": self.version,
            "public_from": self.public_from.isoformat(),
            "public_to": None,
            "auto_response": self.auto_response,
            "items": self.wire_items(),
        }


class Business:
    """Business information for the people of one seed."""

    def __init__(self, seed: int) -> None:
        self._insurance = key_for(seed, "insurance")
        self._barred = key_for(seed, "barred")
        self._account = key_for(seed, "account")
        self._unemployment = key_for(seed, "unemployment")
        self._tax = key_for(seed, "local_tax")

    def is_insured(self, person: Person) -> bool:
        """国保: below 75 and chosen."""
        chosen = draw(self._insurance, person.index) % _PER_MILLE < _INSURED
        return chosen and age_on(person.birth_date, AGES_COUNTED_ON) < 75

    def is_barred(self, person: Person) -> bool:
        """自動応答不可: the few whose replicas must be held and not answered (SC-4)."""
        return draw(self._barred, person.index) % _PER_MILLE < _BARRED

    def is_unemployed(self, person: Person) -> bool:
        """Receives 失業等給付: of working age and chosen."""
        chosen = draw(self._unemployment, person.index) % _PER_MILLE < _UNEMPLOYED
        return chosen and 18 <= age_on(person.birth_date, AGES_COUNTED_ON) < 70

    def account_case(self, person: Person) -> AccountCase:
        """Whether the register has an account, and whether in the person's name (SC-22 must find the others)."""
        choice = draw(self._account, person.index) % _PER_MILLE
        if choice < _WITHOUT_ACCOUNT:
            return AccountCase.NONE
        return AccountCase.ANOTHER_NAME if choice < _IN_ANOTHER_NAME else AccountCase.OWN_NAME

    def medical_insurance(self, person: Person, *, system: str, addressee_number: str) -> tuple[BusinessRecord, ...]:
        """資格, 給付 (of one in four) and 保険料 (two instalments) of an insured person; empty for others."""
        if not self.is_insured(person):
            return ()
        bits = draw(self._insurance, person.index) // _PER_MILLE
        bits, qualification = _qualification(bits, person)
        bits, benefits = _benefits(bits)
        records = [("資格情報", qualification)]
        records += [("給付情報", items) for items in benefits]
        records += [("保険料情報", items) for items in _premiums(bits)]
        return tuple(
            replace(
                _record(MEDICAL_INSURANCE, data_set, nth, items, system, addressee_number),
                auto_response="barred" if self.is_barred(person) else "allowed",
            )
            for nth, (data_set, items) in enumerate(records)
        )

    def receiving_account(self, person: Person, *, system: str, addressee_number: str) -> BusinessRecord:
        """公的給付支給等口座 (公金受取口座); without a registered account every item is NotApplicable."""
        case = self.account_case(person)
        holder = f"モギベツメイ　{person.kana.split('　')[-1]}" if case is AccountCase.ANOTHER_NAME else person.kana
        items = _account(draw(self._account, person.index) // _PER_MILLE, holder)
        if case is AccountCase.NONE:
            items = dict.fromkeys(items, NullReason.NOT_APPLICABLE)
        return _record(RECEIVING_ACCOUNT, "公的給付支給等口座情報", 0, items, system, addressee_number)

    def unemployment(self, person: Person, *, system: str, addressee_number: str) -> tuple[BusinessRecord, ...]:
        """失業等給付: 離職 and 給付 of a recipient; empty for others."""
        if not self.is_unemployed(person):
            return ()
        leaving, benefit = _unemployment(draw(self._unemployment, person.index) // _PER_MILLE)
        return (
            _record(UNEMPLOYMENT, "離職情報", 0, leaving, system, addressee_number),
            _record(UNEMPLOYMENT, "給付情報", 1, benefit, system, addressee_number),
        )

    def local_tax(self, person: Person, *, system: str, addressee_number: str) -> BusinessRecord:
        """個人住民税 of one year, of everybody: a child has no income, and of a few nothing was declared."""
        items = _tax(draw(self._tax, person.index), age_on(person.birth_date, AGES_COUNTED_ON))
        return _record(LOCAL_TAX, "個人住民税情報", 0, items, system, addressee_number)

    def notice(
        self, person: Person, *, system: str, addressee_number: str, nth: int = 0, on: date = AGES_COUNTED_ON
    ) -> BusinessRecord:
        """お知らせ to one person, the `nth` of that business system; it stands from `on`."""
        items: dict[str, Item] = {
            "件名": _NOTICES[nth % len(_NOTICES)],
            "本文": f"架空のお知らせ（模擬）です。整理番号 {draw(self._account, person.index) % 1_000_000:06d}",
            "発出日": on.isoformat(),
            "問い合わせ先": NullReason.NOT_APPLICABLE,
        }
        return replace(_record(NOTICE, "お知らせ", nth, items, system, addressee_number), public_from=on)


def _qualification(bits: int, person: Person) -> tuple[int, dict[str, Item]]:
    bits, number = divmod(bits, 10_000_000)
    bits, branch = divmod(bits, 5)
    bits, days = divmod(bits, 3000)
    bits, lost = divmod(bits, 15)
    bits, reason = divmod(bits, 20)
    acquired_on = max(person.birth_date, AGES_COUNTED_ON - timedelta(days=days))
    born = acquired_on == person.birth_date
    return bits, {
        "保険者番号": _INSURER,
        "被保険者記号": f"模擬{number % 90 + 10}",
        "被保険者番号": f"9{number:07d}",
        "枝番": f"{branch + 1:02d}" if reason else NullReason.NOT_APPLICABLE,
        "資格取得年月日": acquired_on.isoformat(),
        "資格取得事由": "03" if born else ("01", "02")[reason % 2] if reason else NullReason.UNKNOWN,
        "資格喪失年月日": NullReason.NOT_APPLICABLE if lost else AGES_COUNTED_ON.isoformat(),
        "資格喪失事由": NullReason.NOT_APPLICABLE if lost else ("01", "02")[reason % 2],
    }


def _benefits(bits: int) -> tuple[int, list[dict[str, Item]]]:
    bits, none = divmod(bits, 4)
    bits, month = divmod(bits, 12)
    bits, amount = divmod(bits, 300_000)
    bits, kind = divmod(bits, 3)
    bits, undecided = divmod(bits, 12)
    if none:
        return bits, []
    first = date(2021, month + 1, 1)
    last = date(2021 + month // 11, (month + 1) % 12 + 1, 1) - timedelta(days=1)
    monthly = kind < 2
    return bits, [
        {
            "給付種類": ("01", "02", "04")[kind],
            "支給決定年月日": (last + timedelta(days=60)).isoformat(),
            "支給額": str(1_000 + amount) if undecided else NullReason.NOT_ACCEPTABLE,
            "支給対象期間開始日": first.isoformat() if monthly else NullReason.NOT_APPLICABLE,
            "支給対象期間終了日": last.isoformat() if monthly else NullReason.NOT_APPLICABLE,
        }
    ]


def _premiums(bits: int) -> list[dict[str, Item]]:
    bits, levied = divmod(bits, 90_000)
    bits, paid = divmod(bits, 12)
    levied += 2_000
    due = (("01", levied), ("02", levied * min(paid, 10) // 10))
    return [
        {
            "年度": str(_FISCAL_YEAR),
            "期別": instalment,
            "賦課額": str(levied),
            "収納額": str(received),
        }
        for instalment, received in due
    ]


def _tax(bits: int, age: int) -> dict[str, Item]:
    bits, declared = divmod(bits, 25)
    bits, income = divmod(bits, 700)
    bits, dependants = divmod(bits, 4)
    year: dict[str, Item] = {"課税年度": str(_FISCAL_YEAR)}
    if age >= _WORKING_AGE and not declared:
        unknown = ("総所得金額等", "扶養控除対象人数", "市町村民税所得割額", "市町村民税均等割額")
        return year | {"課税区分": "4"} | dict.fromkeys(unknown, NullReason.UNKNOWN)
    yen = 10_000 * income if age >= _WORKING_AGE else 0
    dependants = dependants if age >= _WORKING_AGE else 0
    free = _FREE_OF_TAX * (1 + dependants)
    kind = "3" if yen <= free else "2" if yen <= free + _DEDUCTED else "1"
    return year | {
        "課税区分": kind,
        "総所得金額等": str(yen),
        "扶養控除対象人数": str(dependants),
        "市町村民税所得割額": str((yen - free - _DEDUCTED) * 6 // 100) if kind == "1" else NullReason.NOT_APPLICABLE,
        "市町村民税均等割額": "3500" if kind != "3" else NullReason.NOT_APPLICABLE,
    }


def _account(bits: int, holder: str) -> dict[str, Item]:
    bits, bank = divmod(bits, 1000)
    bits, branch = divmod(bits, 1000)
    bits, account = divmod(bits, 10_000_000)
    return {
        "金融機関コード": f"9{bank:03d}",
        "金融機関名カナ": "ｶｸｳ",
        "店番": f"{branch:03d}",
        "支店名カナ": "ﾓｷﾞ",
        "預貯金種目コード": "1" if bits % 20 else "4",
        "口座番号": f"{account:07d}",
        "名義人氏名カナ": as_banks_write(holder),
    }


def _unemployment(bits: int) -> tuple[dict[str, Item], dict[str, Item]]:
    bits, days = divmod(bits, 300)
    bits, reason = divmod(bits, 6)
    bits, length = divmod(bits, 4)
    bits, daily = divmod(bits, 6_000)
    left_on = AGES_COUNTED_ON - timedelta(days=60 + days)
    code: Item = ("11", "21", "23", "33", "40", NullReason.UNKNOWN)[reason]
    benefit_days = (90, 120, 150, 180)[length]
    leaving: dict[str, Item] = {
        "離職年月日": left_on.isoformat(),
        "離職理由コード": code,
        "受給資格区分": ("1", "1", "2", "2", "3", NullReason.NOT_APPLICABLE)[reason],
        "受給資格決定年月日": (left_on + timedelta(days=14)).isoformat(),
    }
    benefit: dict[str, Item] = {
        "給付種類": "01",
        "支給決定年月日": (left_on + timedelta(days=28)).isoformat(),
        "支給日数": str(benefit_days),
        "支給額": str(benefit_days * (2_500 + daily)),
    }
    return leaving, benefit


def _record(
    information: str, data_set: str, nth: int, items: Mapping[str, Item], system: str, addressee_number: str
) -> BusinessRecord:
    identity = "/".join((system, addressee_number, information, data_set, str(nth), str(_FISCAL_YEAR)))
    return BusinessRecord(
        system=system,
        addressee_number=addressee_number,
        record_id=blake2b(identity.encode(), digest_size=16).hexdigest(),
        information=information,
        data_set=data_set,
        version=VERSIONS[information],
        public_from=AGES_COUNTED_ON,
        auto_response="allowed",
        items=items,
    )
