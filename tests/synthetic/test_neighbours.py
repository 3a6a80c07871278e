"""Neighbours know some of the residents, each under its own numbers."""

from __future__ import annotations

import pytest

from synthetic.neighbours import NEIGHBOURS, Neighbour, acquaintances
from synthetic.people import AGES_COUNTED_ON, age_on, population

PEOPLE = list(population(7, 2000))


@pytest.mark.parametrize("neighbour", NEIGHBOURS.values(), ids=lambda neighbour: neighbour.agency)
def test_a_neighbour_knows_its_share_of_the_people_of_its_ages(neighbour):
    of_age = [p for p in PEOPLE if neighbour.youngest <= age_on(p.birth_date, AGES_COUNTED_ON) <= neighbour.oldest]
    known = [acquaintance.person for acquaintance in acquaintances(neighbour, PEOPLE, seed=7)]
    assert {person.index for person in known} <= {person.index for person in of_age}
    assert abs(len(known) / len(of_age) - neighbour.per_mille / 1000) < 0.06


def test_the_choice_does_not_depend_on_the_order():
    neighbour = NEIGHBOURS["kyokai-kenpo"]
    forwards = list(acquaintances(neighbour, PEOPLE, seed=7))
    assert list(acquaintances(neighbour, reversed(PEOPLE), seed=7)) == forwards[::-1]


def test_each_agency_numbers_a_person_its_own_way():
    known = [
        next(acquaintances(Neighbour(agency=agency, per_mille=1000), PEOPLE, seed=7)).addressee_number
        for agency in NEIGHBOURS
    ]
    assert len(set(known)) == len(NEIGHBOURS)


def test_agencies_choose_apart_from_each_other():
    first = acquaintances(Neighbour(agency="a1", per_mille=500), PEOPLE, seed=7)
    second = acquaintances(Neighbour(agency="a2", per_mille=500), PEOPLE, seed=7)
    both = {a.person.index for a in first} & {a.person.index for a in second}
    assert 0.2 < len(both) / len(PEOPLE) < 0.3
