"""The 18 recipients of the assessment report (Ⅱ-5, 提供先1 to 18): which agency of the whole topology asks for which affair of 別表第二."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """提供先. `item`: the row of 別表第二 that the report names; `system`: the business system that asks."""

    number: int
    item: str
    agency: str
    system: str


RECIPIENTS: Final = tuple(
    Recipient(number=number, item=item, agency=agency, system=f"{agency}-{system}")
    for number, (item, agency, system) in enumerate(
        (
            ("1", "kosei-rodo", "gyomu"),
            ("2", "kyokai-kenpo", "gyomu"),
            ("3", "kempo-kumiai", "gyomu"),
            ("4", "kosei-rodo", "senin"),
            ("5", "kyokai-kenpo", "senin"),
            ("9", "tokyo", "gyomu"),
            ("26", "tokyo", "seiho"),
            ("27", "suginami", "gyomu"),
            ("30", "shakyo", "gyomu"),
            ("33", "shigaku", "gyomu"),
            ("39", "kokkyo", "gyomu"),
            ("42", "suginami", "kokuho"),
            ("58", "chikyo", "gyomu"),
            ("62", "suginami", "rojin"),
            ("80", "koiki-rengo", "gyomu"),
            ("87", "tokyo", "zanryu"),
            ("93", "suginami", "kaigo"),
            ("120", "tokyo", "nanbyo"),
        ),
        start=1,
    )
)
