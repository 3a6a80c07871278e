"""候補: who an addressee without 個人番号 may be, in the order of their scores (LS-1.3, SC-18). It proposes nothing by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from codebook.errors import CodebookError
from codebook.four_items import Field, FourItems
from gateway.linkage_server.access.look_ups import Look, record_look_up
from gateway.linkage_server.access.sight import Sight
from gateway.linkage_server.people import store as people
from gateway.linkage_server.review.holds import shown_person
from gateway.linkage_server.review.scoring import LEAST_KEYS, keys_given, score
from gateway.linkage_server.search.candidates import find_candidates

MOST: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Around:
    """Whom to look around for. `person`: an integrated number that is held, itself no candidate; or `items`: the five texts, some empty."""

    person: int | None
    items: Sequence[str]


class TooFewKeysError(Exception):
    """A search by fewer than two of name, birth date and address: refused, however few people it would find."""


class NobodyError(Exception):
    """There is no person of that number."""


async def find(sight: Sight, around: Around) -> dict[str, Any]:
    """Candidates with scores, the best first. Raises TooFewKeysError, NobodyError."""
    agency = sight.agency
    async with agency.database.inside(agency.tenant) as connection:
        items = list(around.items)
        if around.person is not None:
            known = (await people.read_held(connection, agency.keys, [around.person])).get(around.person)
            if known is None:
                raise NobodyError
            items = list(known.person.items)
        if keys_given(name for name, text in zip(Field, items, strict=True) if text.strip()) < LEAST_KEYS:
            raise TooFewKeysError
        found = await find_candidates(connection, agency.keys, items)
        held = await people.read_held(connection, agency.keys, found.numbers)
    scored = sorted(
        (
            (scored["score"], number, scored | shown_person(sight, one))
            for number, one in held.items()
            if number != around.person and (scored := _scored(items, one.person.items)) is not None
        ),
        key=lambda each: (-each[0], each[1]),
    )[:MOST]
    await record_look_up(
        sight, Look.CANDIDATES, [number for _, number, _ in scored], keys=_keys_of(items, around.person)
    )
    return {
        "items": [shown for _, _, shown in scored],
        "cut": found.cut or len(held) > MOST,
        "behind": found.indexed_revision < found.newest_revision,
    }


def _keys_of(items: Sequence[str], person: int | None) -> list[str]:
    if person is not None:
        return ["integrated_number"]
    return [name.value for name, text in zip(Field, items, strict=True) if text.strip()]


def _scored(wanted: Sequence[str], held: Sequence[str]) -> dict[str, Any] | None:
    """Score, fields and folds. A field that was not asked about is not compared, and no link can rest on it."""
    asked = [bool(text.strip()) for text in wanted]
    filled = [text if given else known for text, known, given in zip(wanted, held, asked, strict=True)]
    try:
        one, other = (FourItems.parse(dict(zip(Field, texts, strict=True))) for texts in (filled, held))
    except CodebookError:
        return None
    found = score(one, other)
    all_asked = all(given for given, name in zip(asked, Field, strict=True) if name is not Field.KANA)
    return {
        "score": found.points,
        "differing": sorted(found.differing),
        "folds": {name.value: sorted(folds) for name, folds in sorted(found.folds.items())},
        "all_four_agree": all_asked and found.all_four_agree,
    }
