"""P-3 over a whole file of changes, or a list: 個人番号 under which two people would be registered (SC-18). Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date
from itertools import combinations

from codebook import folding
from gateway.linkage_server.people.changes import Change, ParsedChange
from gateway.linkage_server.people.state import REGISTERING
from gateway.linkage_server.plausibility import as_one_person


class Registrations:
    """Move-ins and births of a file that is read list by list. One to come that the file takes back registers nobody; one of before is there to stay."""

    def __init__(self) -> None:
        self._said: dict[str, Change] = {}
        self._taken_back: set[str] = set()

    def read(self, changes: Sequence[ParsedChange]) -> None:
        for change in changes:
            if not isinstance(change, Change):
                continue
            if change.cancels:
                self._taken_back.add(change.cancels)
            elif change.kind in REGISTERING and change.says.individual_number:
                self._said.setdefault(change.event_id, change)

    def of_two_people(self, today: date) -> frozenset[str]:
        """個人番号 that stand for two: addressee numbers of whom no two accounts are alike. One number may tell more names of its person than one."""
        people: dict[str, dict[str, set[tuple[str, str, str]]]] = defaultdict(lambda: defaultdict(set))
        for event_id, change in self._said.items():
            if change.effective_on <= today or event_id not in self._taken_back:
                says = change.says
                name = folding.fold(says.name, folding.NAME)
                account = as_one_person(name, says.sex, says.birth_date)
                people[says.individual_number][change.addressee_number].add(account)
        return frozenset(number for number, accounts in people.items() if _are_two(accounts))


def _are_two(accounts: Mapping[str, set[tuple[str, str, str]]]) -> bool:
    return any(one.isdisjoint(other) for one, other in combinations(accounts.values(), 2))


def of_two_people(changes: Sequence[ParsedChange], today: date) -> frozenset[str]:
    """Those of a list that is all there is."""
    seen = Registrations()
    seen.read(changes)
    return seen.of_two_people(today)
