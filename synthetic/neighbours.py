"""Which residents the other agencies know, and under which of their own numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from synthetic.draws import draw, key_for
from synthetic.people import AGES_COUNTED_ON, Person, age_on
from synthetic.rows import Addressees

_PER_MILLE = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbour:
    """An agency and the people it knows: `per_mille` of those whose age in completed years lies in the bounds."""

    agency: str
    per_mille: int
    youngest: int = 0
    oldest: int = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Acquaintance:
    """A person under the neighbour's own addressee number."""

    addressee_number: str
    person: Person


#: Keys are agency ids. Shares are chosen for the demonstration and are no statistics.
NEIGHBOURS = {
    neighbour.agency: neighbour
    for neighbour in (
        Neighbour(agency="kyokai-kenpo", per_mille=400, oldest=74),
        Neighbour(agency="tokyo", per_mille=150),
        Neighbour(agency="suginami", per_mille=200),
        # from 65: with a certified disability one may join before 75, so some are still insured by the ward
        Neighbour(agency="koiki-rengo", per_mille=800, youngest=65),
        Neighbour(agency="naikaku", per_mille=600),
        Neighbour(agency="kosei-rodo", per_mille=500, youngest=18, oldest=69),
    )
}


def acquaintances(neighbour: Neighbour, people: Iterable[Person], *, seed: int) -> Iterator[Acquaintance]:
    """Those of the people whom the neighbour knows; the same choice for the same seed, whatever the order."""
    addressees = Addressees(seed, neighbour.agency)
    chosen = key_for(seed, f"acquaintance/{neighbour.agency}")
    for person in people:
        in_bounds = neighbour.youngest <= age_on(person.birth_date, AGES_COUNTED_ON) <= neighbour.oldest
        if in_bounds and draw(chosen, person.index) % _PER_MILLE < neighbour.per_mille:
            yield Acquaintance(addressee_number=addressees.number(person), person=person)
