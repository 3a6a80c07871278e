"""自動応答不可フラグ (SC-4): when a provision must wait until a person has checked what would leave.

Information may be barred in three places: on the person as a whole, towards one inquirer, and on one replica item.
One bar is enough. A person whose record is frozen (after a wrong link) comes before all of them. Pure; the flags are read by the caller.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum


class AutoResponse(StrEnum):
    """Whether information may be answered without a person looking at it."""

    ALLOWED = "allowed"
    BARRED = "barred"


class HoldGround(StrEnum):
    """Where the bar stands; the first that applies, in this order, is the ground that staff see."""

    PERSON_FROZEN = "person_frozen"
    PERSON_BARRED = "person_barred"
    INQUIRER_BARRED = "inquirer_barred"
    ITEM_BARRED = "item_barred"


def hold_ground(
    *, person: AutoResponse, inquirer: AutoResponse, items: Iterable[AutoResponse], frozen: bool = False
) -> HoldGround | None:
    """Why a provision must be held, or None when it may be answered automatically.

    `frozen`: nothing of this person leaves until that is lifted. `person`: the flag of the person the inquiry is about. `inquirer`: the flag set towards this inquirer.
    `items`: the flags of the replica items that would leave; none of them when nothing would.
    """
    if frozen:
        return HoldGround.PERSON_FROZEN
    if person is AutoResponse.BARRED:
        return HoldGround.PERSON_BARRED
    if inquirer is AutoResponse.BARRED:
        return HoldGround.INQUIRER_BARRED
    if AutoResponse.BARRED in items:
        return HoldGround.ITEM_BARRED
    return None
