"""自動応答不可: one bar in any of the three places holds the provision (SC-4)."""

from __future__ import annotations

import pytest

from permission_lists.barring import AutoResponse, HoldGround, hold_ground

YES, NO = AutoResponse.ALLOWED, AutoResponse.BARRED


@pytest.mark.parametrize(
    ("person", "inquirer", "items", "ground"),
    [
        (YES, YES, [], None),
        (YES, YES, [YES, YES], None),
        (NO, YES, [], HoldGround.PERSON_BARRED),
        (YES, NO, [], HoldGround.INQUIRER_BARRED),
        (YES, YES, [YES, NO], HoldGround.ITEM_BARRED),
        (YES, NO, [NO], HoldGround.INQUIRER_BARRED),
        (NO, NO, [NO], HoldGround.PERSON_BARRED),
    ],
)
def test_one_bar_is_enough_and_names_its_place(
    person: AutoResponse, inquirer: AutoResponse, items: list[AutoResponse], ground: HoldGround | None
) -> None:
    assert hold_ground(person=person, inquirer=inquirer, items=iter(items)) is ground


@pytest.mark.parametrize("flag", [YES, NO])
def test_a_frozen_person_comes_before_every_bar(flag: AutoResponse) -> None:
    found = hold_ground(frozen=True, person=flag, inquirer=flag, items=[flag])
    assert found is HoldGround.PERSON_FROZEN
