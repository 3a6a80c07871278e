"""The fold of a person's history against a small model, and the numbered steps of plausibility (LS-1.2, SC-18)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codebook.four_items import Field
from gateway.linkage_server.people.state import Event, Kind, Person, Says, State, fold, happens_after_death
from gateway.linkage_server.plausibility import (
    LoadLimits,
    LoadLimitsError,
    NumbersSeen,
    age_is_of_the_affair,
    age_on,
    is_household_member,
)

REGISTERED = date(2026, 4, 1)
BASE = Person(
    items=("模擬", "モギ", "1", "1980-01-31", "架空1"),
    individual_number="",
    state=State.LIVING,
    state_since=None,
    registered_on=REGISTERED,
)
KINDS = (
    Kind.ADDRESS_CHANGE,
    Kind.NAME_CHANGE,
    Kind.CORRECTION,
    Kind.DEATH,
    Kind.MOVE_OUT,
    Kind.MOVE_IN,
    Kind.CANCELLATION,
)


def event(number: int, kind: Kind, after: int, text: str = "", cancels: int | None = None) -> Event:
    """A change of the address, the name, or the state, so many days after the registration."""
    says = Says(name=text) if kind is Kind.NAME_CHANGE else Says(address=text)
    on = REGISTERED + timedelta(days=after)
    return Event(
        event_no=number,
        event_key=f"k{number}",
        kind=kind,
        effective_on=on,
        recorded_at=datetime(2026, 5, 1, tzinfo=UTC) + timedelta(minutes=number),
        applied=True,
        says=says if kind in {Kind.NAME_CHANGE, Kind.ADDRESS_CHANGE, Kind.CORRECTION} else Says(),
        cancels=f"k{cancels}" if kind is Kind.CANCELLATION and cancels is not None else None,
    )


@pytest.mark.parametrize(
    ("held", "told", "reading"),
    [
        (("髙橋 一", ""), ("高橋　一", "タカハシ"), "タカハシ"),
        (("高橋 一", "　"), ("高橋 一", "タカハシ"), "タカハシ"),
        (("高橋 一", "タカバシ"), ("高橋 一", "タカハシ"), "タカバシ"),
        (("高橋 一", ""), ("渡辺 一", "ワタナベ"), ""),
    ],
)
def test_of_before_the_registration_the_reading_of_the_same_name_counts_where_none_is_held(held, told, reading):
    base = msgspec.structs.replace(BASE, items=(*held, *BASE.items[2:]))
    says = Says(name=told[0], kana=told[1], address="架空2")
    before = msgspec.structs.replace(event(1, Kind.MOVE_IN, -1), says=says)
    found = fold(base, [before], on=REGISTERED)
    assert found is not None
    assert found.items == (held[0], reading, *BASE.items[2:])


HISTORIES = st.lists(
    st.tuples(
        st.sampled_from(KINDS), st.integers(-5, 20), st.sampled_from(["甲", "乙", "丙"]), st.integers(0, 9) | st.none()
    ),
    max_size=10,
).map(lambda drawn: [event(nth, kind, after, text, cancels) for nth, (kind, after, text, cancels) in enumerate(drawn)])


def model(events: list[Event], on: date) -> tuple[str, str, State]:
    """Name, address and state, day by day and change by change."""
    taken_back = {one.cancels for one in events if one.cancels}
    name, address, state = BASE.items[0], BASE.items[4], BASE.state
    for day in range(-5, 21):
        today = REGISTERED + timedelta(days=day)
        for one in sorted(events, key=lambda one: one.kind is Kind.DEATH):  # death comes last on its day
            gone = (
                one.event_key in taken_back and one.cancels is None
            )  # for what takes a change back, that is sent anew
            if one.effective_on != today or gone or today > on:
                continue
            if one.kind is Kind.NAME_CHANGE and day >= 0:
                name = one.says.name
            if one.kind is Kind.CORRECTION or (one.kind is Kind.ADDRESS_CHANGE and day >= 0):
                address = one.says.address
            if state is State.CANCELLED and one.kind in {Kind.DEATH, Kind.MOVE_OUT}:  # the record is out
                continue
            if one.kind in {Kind.DEATH, Kind.MOVE_OUT, Kind.MOVE_IN} or (
                one.kind is Kind.CANCELLATION and not one.cancels
            ):
                state = {
                    Kind.DEATH: State.DEAD,
                    Kind.MOVE_OUT: State.MOVED_OUT,
                    Kind.MOVE_IN: State.LIVING,
                    Kind.CANCELLATION: State.CANCELLED,
                }[one.kind]
    return name, address, state


@given(events=HISTORIES, after=st.integers(-8, 25))
@settings(max_examples=300)
def test_the_fold_is_what_a_small_model_says(events, after):
    on = REGISTERED + timedelta(days=after)
    found = fold(BASE, events, on=on)
    if after < 0:
        assert found is None
        return
    assert found is not None
    assert (found.items[0], found.items[4], found.state) == model(events, on)


@given(events=HISTORIES, order=st.randoms(use_true_random=False))
def test_the_order_in_which_changes_are_read_does_not_matter(events, order):
    shuffled = list(events)
    order.shuffle(shuffled)
    on = REGISTERED + timedelta(days=30)
    assert fold(BASE, shuffled, on=on) == fold(BASE, events, on=on)


def test_only_what_was_known_by_then_counts():
    events = [event(0, Kind.ADDRESS_CHANGE, 1, "甲"), event(1, Kind.ADDRESS_CHANGE, 2, "乙")]
    on = REGISTERED + timedelta(days=9)
    known = fold(BASE, events, on=on, known_at=events[0].recorded_at)
    assert known is not None
    assert known.items[4] == "甲"


def test_a_death_that_is_taken_back_is_none():
    death, back = event(0, Kind.DEATH, 1), event(1, Kind.CANCELLATION, 2, cancels=0)
    assert happens_after_death(Kind.ADDRESS_CHANGE, REGISTERED + timedelta(days=3), State.DEAD, [death])
    assert not happens_after_death(Kind.ADDRESS_CHANGE, REGISTERED, State.DEAD, [death])
    assert not happens_after_death(Kind.ADDRESS_CHANGE, REGISTERED + timedelta(days=3), State.LIVING, [death, back])
    assert not happens_after_death(Kind.CORRECTION, REGISTERED + timedelta(days=3), State.DEAD, [death])


@pytest.mark.parametrize(
    ("birth_date", "years", "fits"),
    [
        ("2008-04-01", (0, 17), False),
        ("2008-04-02", (0, 17), True),
        ("1900-01-01", None, True),
        ("1986-04-01", (40, 64), True),
        ("1986-04-02", (40, 64), False),
    ],
)
def test_an_age_counts_from_the_birthday(birth_date, years, fits):
    assert age_is_of_the_affair(birth_date, date(2026, 4, 1), years) is fits
    assert age_on("2000-02-29", date(2026, 2, 28)) == 25
    assert age_on("2000-02-29", date(2026, 3, 1)) == 26


def test_a_household_member_lives_at_the_same_address_and_was_born_another_day():
    assert is_household_member({Field.NAME, Field.BIRTH_DATE})
    assert not is_household_member({Field.NAME, Field.BIRTH_DATE, Field.ADDRESS})
    assert not is_household_member({Field.NAME})


@given(
    rows=st.lists(
        st.tuples(
            st.integers(0, 6), st.sampled_from(["甲　一", "甲 一", "乙"]), st.sampled_from(["2000-01-01", "2001-01-01"])
        )
    )
)
def test_numbers_of_two_people_are_those_with_two_names_or_birth_dates(rows):
    seen = NumbersSeen()
    people: dict[bytes, set[tuple[str, str]]] = {}
    for number, name, birth_date in rows:
        index = bytes([number]) * 32
        seen.add(index, name, "1", birth_date)
        people.setdefault(index, set()).add(("".join(name.split()), birth_date))
    two = {index for index, found in people.items() if len(found) > 1}
    assert seen.of_two_people() == {hash(index) for index in two}
    assert seen.rows_of(seen.of_two_people()) == sum(bytes([number]) * 32 in two for number, *_ in rows)


@pytest.mark.parametrize(
    "options",
    [
        {"mismatch_rate": 2},
        {"mismatch_rate": "x"},
        {"mismatch_floor": -1},
        {"ages": {"kokuho": [75, 0]}},
        {"ages": {"kokuho": [1]}},
    ],
)
def test_limits_that_cannot_be_are_refused(options):
    with pytest.raises(LoadLimitsError):
        LoadLimits.parse(options)


def test_a_limit_is_passed_by_rate_and_floor_together():
    limits = LoadLimits.parse({"mismatch_rate": 0.1, "mismatch_floor": 5})
    assert not limits.passed_by(5, 10)
    assert not limits.passed_by(10, 100)
    assert limits.passed_by(11, 100)
