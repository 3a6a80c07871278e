"""Synthetic people: unique, valid, repeatable, and plainly not real."""

from __future__ import annotations

import re
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codebook.individual_number import IndividualNumber, ResidentRecordCode
from synthetic.draws import key_for, permute
from synthetic.people import AGES_COUNTED_ON, MOST_RESIDENTS, PersonMaker, age_on, population
from synthetic.places import towns

PEOPLE = list(population(7, 3000))


def test_the_same_seed_gives_the_same_people():
    assert list(population(7, 3000)) == PEOPLE


def test_another_seed_gives_other_people():
    others = {person.individual_number for person in population(8, 3000)}
    assert len(others & {person.individual_number for person in PEOPLE}) < 5


def test_a_smaller_population_is_the_beginning_of_a_larger_one():
    assert list(population(7, 100)) == PEOPLE[:100]


def test_people_come_one_by_one_and_not_as_a_list():
    first = list(islice(population(7, MOST_RESIDENTS), 3))
    assert first == PEOPLE[:3]


def test_a_population_beyond_the_number_range_is_refused():
    with pytest.raises(ValueError, match="too large"):
        population(7, MOST_RESIDENTS + 1)


def test_every_individual_number_is_valid_and_comes_once():
    numbers = [person.individual_number for person in PEOPLE]
    assert [IndividualNumber.parse(number).reveal() for number in numbers] == numbers
    assert len(set(numbers)) == len(numbers)


def test_every_resident_record_code_is_well_formed_and_comes_once():
    codes = [ResidentRecordCode.parse(person.resident_record_code).reveal() for person in PEOPLE]
    assert len(set(codes)) == len(codes)


def test_every_person_is_marked_as_synthetic():
    unmarked = [
        person
        for person in PEOPLE
        if not (
            person.name.startswith("模擬")
            and person.kana.startswith("モギ")
            and "架空" in person.address
            and person.individual_number.startswith("999")
            and person.resident_record_code.startswith("99")
        )
    ]
    assert unmarked == []


def test_kana_is_full_width_katakana_with_one_space():
    assert [person for person in PEOPLE if not re.fullmatch("[ァ-ヶー]+　[ァ-ヶー]+", person.kana)] == []


def test_the_address_names_a_real_town_of_the_ward_with_its_postal_code():
    code_of = {town.name: town.postal_code for town in towns()}
    town_of = [
        re.fullmatch("東京都世田谷区(.+)架空9[0-9]{2}番地[0-9]{1,2}(　模擬荘[0-9]{3})?", p.address) for p in PEOPLE
    ]
    assert [match is not None and code_of[match[1]] for match in town_of] == [p.postal_code for p in PEOPLE]
    assert len({match[1] for match in town_of if match}) == len(towns()) == 61


def test_ages_are_those_of_a_city():
    ages = [age_on(person.birth_date, AGES_COUNTED_ON) for person in PEOPLE]
    assert min(ages) == 0
    assert 90 < max(ages) < 106
    assert 0.10 < sum(age < 15 for age in ages) / len(ages) < 0.15
    assert 0.15 < sum(age >= 65 for age in ages) / len(ages) < 0.25
    assert 0.45 < sum(person.sex == "1" for person in PEOPLE) / len(PEOPLE) < 0.55


def test_age_is_completed_years():
    born = AGES_COUNTED_ON.replace(year=2000, day=2)
    assert age_on(born, AGES_COUNTED_ON) == 21
    assert age_on(AGES_COUNTED_ON.replace(year=2000), AGES_COUNTED_ON) == 22


def test_repr_shows_nobody():
    assert repr(PEOPLE[4]) == "Person(index=4)"


def test_the_maker_makes_anyone_without_the_others():
    assert PersonMaker(7).person(2999) == PEOPLE[2999]


@given(seed=st.integers(-(2**63), 2**63), half=st.integers(1, 40))
def test_the_permutation_is_one_to_one(seed, half):
    key = key_for(seed, "test")
    assert sorted(permute(key, index, half) for index in range(half * half)) == list(range(half * half))


@pytest.mark.parametrize("index", [-1, 100])
def test_the_permutation_refuses_what_lies_outside(index):
    with pytest.raises(ValueError, match="outside"):
        permute(key_for(1, "test"), index, 10)
