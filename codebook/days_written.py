"""日付の書き方: a day as it is written in results and ledgers, in the Western or the Japanese calendar, and what it takes to read it (SC-22). Pure.

An era is read by its year alone: 平成31年5月1日 is 2019-05-01, as forms printed before the change of era say. Numbers in Chinese characters are not read,
but 元年 is.
"""

from __future__ import annotations

import re
from datetime import date
from enum import StrEnum
from typing import Final

from codebook import folding
from codebook.folding import Fold


class Calendar(StrEnum):
    """What it takes beside the folds of texts."""

    ERA = "era"
    DATE_FORM = "date_form"


_FOLDS: Final = (Fold.COMPATIBILITY, Fold.HYPHENS, Fold.SPACES)
_BEFORE: Final = {"明治": 1867, "大正": 1911, "昭和": 1925, "平成": 1988, "令和": 2018}
"""The Western year before the first of an era."""
_LETTERS: Final = dict(zip("MTSHR", _BEFORE.values(), strict=True))
_ERAS: Final = _BEFORE | _LETTERS
_ERA: Final = f"(?P<era>{'|'.join(_ERAS)})"
_PLAIN: Final = "(?P<month>[0-9]{2})(?P<day>[0-9]{2})"
_APART: Final = "[-/. 年](?P<month>[0-9]{1,2})[-/. 月](?P<day>[0-9]{1,2})日?"
_FORMS: Final = tuple(
    re.compile(form + r"\Z")
    for form in (
        f"(?P<year>[0-9]{{4}}){_PLAIN}",
        f"(?P<year>[0-9]{{4}}){_APART}",
        f"{_ERA}(?P<year>[0-9]{{2}}){_PLAIN}",
        f"{_ERA}(?P<year>元|[0-9]{{1,2}}){_APART}",
    )
)


def read_day(text: str) -> tuple[date, frozenset[Fold | Calendar]] | None:
    """The day, and what it took to read it: nothing for YYYY-MM-DD. None for what is no day in any of these forms."""
    took: set[Fold | Calendar] = set()
    for fold in _FOLDS:
        made = folding.fold(text, {fold})
        if made != text:
            text = made
            took.add(fold)
    found = next((match for form in _FORMS if (match := form.match(text.upper()))), None)
    if found is None:
        return None
    parts = found.groupdict()
    year = 1 if parts["year"] == "元" else int(parts["year"])
    if era := parts.get("era"):
        took.add(Calendar.ERA)
        if year == 0:
            return None
        year += _ERAS[era]
    try:
        day = date(year, int(parts["month"]), int(parts["day"]))
    except ValueError:
        return None
    if not era and text != day.isoformat():
        took.add(Calendar.DATE_FORM)
    return day, frozenset(took)
