"""突合: is the holder of a received account the person in the ledger (SC-22)?

Banks write a name in half-width kana without small letters, with a hyphen for the long vowel; the ledger has full-width
kana as registered. Only these differences of writing are folded. A letter too many or a mark missing is a difference,
and a person decides: money must not go to somebody else's account.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from codebook import folding
from codebook.four_items import PersonName

_MARKS = str.maketrans({"゛": "\u3099", "゜": "\u309a"})
_FOLDS = folding.KANA - {folding.Fold.LONG_VOWELS}
_PARTS_OF_A_NAME = 2


class Part(StrEnum):
    """Which part of the name differs. WHOLE: the two cannot be compared part by part. MISSING: one side has no name."""

    SURNAME = "surname"
    GIVEN_NAME = "given_name"
    WHOLE = "whole"
    MISSING = "missing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Matched:
    """The holder's name is the ledger's name, however written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Differs:
    """The names differ in these parts; never empty."""

    parts: frozenset[Part]


def match_holder(holder: PersonName, registered: PersonName) -> Matched | Differs:
    """Compare 名義人氏名(カナ) of an account with the kana in the ledger."""
    # reveal: the comparison is of the names themselves; neither leaves this function
    held, known = _parts(holder), _parts(registered)
    if not held or not known:
        return Differs(parts=frozenset({Part.MISSING}))
    if "".join(held) == "".join(known):
        return Matched()
    if len(held) != _PARTS_OF_A_NAME or len(known) != _PARTS_OF_A_NAME:
        return Differs(parts=frozenset({Part.WHOLE}))
    pairs = zip((Part.SURNAME, Part.GIVEN_NAME), held, known, strict=True)
    return Differs(parts=frozenset(part for part, ours, theirs in pairs if ours != theirs))


def _parts(name: PersonName) -> tuple[str, ...]:
    return tuple(
        folding.fold(part.translate(_MARKS), _FOLDS)
        for part in name.reveal().split()  # reveal: see match_holder
    )
