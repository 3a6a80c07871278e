"""異動の受取り: changes that the linkage server pushes to us (LS-1.5). Signed; each id changes something once; only people whom SKY2 holds."""

from __future__ import annotations

import hmac
import re
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

import msgspec

from adapters.sky2 import store
from adapters.sky2.forgotten import PERSON_PLACE, Forgetting
from codebook.errors import CodebookError
from codebook.individual_number import IndividualNumber
from keys.masked import Secret
from storage.database import Connection

_SIGNATURE: Final = re.compile(r"t=([0-9]{1,12}),v1=([0-9a-f]{64})")
_NEWEST_S: Final = 300
"""Seconds that a push may be old or ahead of our clock: an older one is somebody's copy."""


class PushRefused(StrEnum):
    """Why a push is not taken; the linkage server sends it again later."""

    SECRET_MISSING = "push_secret_missing"  # noqa: S105 (a reason)
    SIGNATURE_WRONG = "push_signature_wrong"
    TOO_OLD = "push_too_old"


class Push(msgspec.Struct, frozen=True):
    """What we use of a push; it says more. `items`: of name, kana, sex, birth_date, address those that our affairs need.

    `individual_number`: None when it is not told, empty when the person has none (any more).
    """

    delivery_id: str
    addressee_numbers: list[str]
    items: dict[str, str]
    individual_number: str | None = None

    def __repr__(self) -> str:
        return "<Push>"


def why_not(
    secret: Secret | None, signature: str, *, delivery_id: str, body: bytes, now: datetime
) -> PushRefused | None:
    """Whether these bytes come from the linkage server, now. The id in the header is signed with them."""
    if secret is None:
        return PushRefused.SECRET_MISSING
    shown = _SIGNATURE.fullmatch(signature)
    if shown is None:
        return PushRefused.SIGNATURE_WRONG
    signed = b"%b.%b.%b" % (shown[1].encode(), delivery_id.encode("utf-8", "surrogatepass"), body)
    # reveal: the key of the signature
    if not hmac.compare_digest(hmac.digest(secret.reveal(), signed, "sha256").hex(), shown[2]):
        return PushRefused.SIGNATURE_WRONG
    return None if abs(int(shown[1]) - now.timestamp()) <= _NEWEST_S else PushRefused.TOO_OLD


async def take(connection: Connection, push: Push, forgetting: Forgetting) -> dict[str, Any]:
    """Bring the people up to date whom we hold; others in the push are none of ours."""
    held, seals, number = await store.read_people(connection, push.addressee_numbers), forgetting.seals, _number(push)
    rows = []
    for whose, sealed in held.items():
        values = seals.open_person(sealed, whose) | push.items
        kept = seals.individual_number(number, PERSON_PLACE, whose) if number is not None else None
        rows.append((whose, kept, seals.person(values, whose)))
    if number is not None or push.individual_number == "":
        await forgetting.note(connection, dict.fromkeys(held, number))
    if push.individual_number == "":
        await store.forget_numbers(connection, list(held))
    await store.put_people(connection, rows)
    return {"updated": len(rows)}


def _number(push: Push) -> IndividualNumber | None:
    """The number that is told; None leaves what is there."""
    try:
        return IndividualNumber.parse(push.individual_number) if push.individual_number else None
    except CodebookError:
        return None
