"""What a list that was judged makes of people: which of its changes are recorded for whom, and what is to be written because of them. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date

from gateway.linkage_server.people.changes import ChangeReason
from gateway.linkage_server.people.judged import ChangeOutcome, Judged
from gateway.linkage_server.people.state import Addressee, AddresseeEnd, Person, addressee_ends, numbers_said
from gateway.linkage_server.people.whose_numbers import Someone


def recorded(judged: Sequence[Judged]) -> Iterator[tuple[Judged, int]]:
    """Changes with the integrated number for which they are recorded; whoever is new is among them once they have one."""
    return ((one, number) for one, _, number in _people(judged))


def changed(judged: Sequence[Judged], today: date) -> dict[int, Person]:
    """Integrated number → what `person` is to say from now on, where that is something else. What `refold` would find, without reading it."""
    return {number: after for _, someone, number in _people(judged) if (after := someone.on(today)) != someone.person}


def giving_up(judged: Sequence[Judged], today: date) -> list[int]:
    """Integrated numbers of those whose 個人番号 is not theirs any more: it is free before somebody else takes it."""
    return [
        number
        for _, someone, number in _people(judged)
        if someone.person.individual_number not in ("", someone.on(today).individual_number)
    ]


def formers(judged: Sequence[Judged], today: date) -> dict[int, dict[str, bool]]:
    """Integrated number → `former_numbers`, of whoever may have any or have had any."""
    return {
        number: someone.formers(today)
        for _, someone, number in _people(judged)
        if numbers_said(someone.base, someone.events) - {someone.on(today).individual_number}
    }


def successors(judged: Sequence[Judged], system: str, intake_id: int) -> list[tuple[str, str, str, int]]:
    """Addressee numbers that take the place of others and were not there before: as `store.put_successors` takes them."""
    return [
        (system, one.change.addressee_number, one.event.replaced_by, intake_id)
        for one, _, _ in _people(judged)
        if one.change is not None and one.event is not None and one.event.registers and one.event.replaced_by
    ]


def wait_no_longer(judged: Sequence[Judged]) -> set[str]:
    """Event ids of changes that are over: applied, held, or refused. One that was refused because its id is another change's ends nothing of that."""
    ids: dict[bool, set[str]] = {True: set(), False: set()}
    for one in judged:
        if one.change is not None and one.reason is not ChangeReason.EVENT_ID_REUSED:
            ids[one.outcome is ChangeOutcome.WAITING].add(one.change.event_id)
    return ids[False] - ids[True]


def withdrawn(judged: Sequence[Judged]) -> dict[str, bytes]:
    """Registrations that were taken back before anybody was registered, and their cancellations: as `waiting.withdraw_registrations` takes them."""
    back = [one for one in judged if one.withdraws]
    return {one.withdraws: one.withdrawn_digest for one in back} | {one.key: one.digest for one in back}


def taken_back(judged: Sequence[Judged]) -> list[str]:
    """Keys of what cancellations that count have taken back: nobody decides any more whether it is to be taken."""
    return [
        key
        for one in judged
        if (key := (one.event.cancels if one.event and one.event.applied else None) or one.withdraws)
    ]


def ends(judged: Sequence[Judged], today: date) -> dict[int, dict[Addressee, AddresseeEnd | None]]:
    """Integrated number → ends of addressee numbers, of whoever has any in their history."""
    return {
        number: found for _, someone, number in _people(judged) if (found := addressee_ends(someone.events, on=today))
    }


def _people(judged: Sequence[Judged]) -> Iterator[tuple[Judged, Someone, int]]:
    for one in judged:
        if one.event is not None and one.someone is not None and one.someone.number is not None:
            yield one, one.someone, one.someone.number
