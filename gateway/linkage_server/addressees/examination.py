"""点検 before a load (SC-18, DOMAIN §6.1): the whole file is read and judged before the first row is registered.

A slip that puts everybody's number one row too low looks well, row by row, and is found by its rate; but a load commits by the chunk, and what
is committed may have been used. So the file is read twice. The first reading asks the resident network, looks at what is held, and
keeps one byte a line and 16 bytes a number; it writes nothing. Only a file whose rate of disagreement is within the limit is read again to be
registered. What the second reading would decide otherwise (somebody else's load came between) it decides row by row, as ever.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from codebook.four_items import Field
from gateway.api.clients import SystemRights
from gateway.linkage_server.addressees import resident_network, store
from gateway.linkage_server.addressees.decide import NetworkVerdicts, Outcome, Surroundings, decide
from gateway.linkage_server.addressees.rows import Parsed, Reason, Row
from gateway.linkage_server.plausibility import NumbersSeen
from gateway.linkage_server.tenant import Agency

_ASKED: Final = 1
_UNKNOWN: Final = 2
_NEW: Final = 128
_BIT: Final = {name: 4 << nth for nth, name in enumerate(Field)}
_FIELDS: Final = {
    bits: frozenset(name for name, bit in _BIT.items() if bits & bit) for bits in range(0, 4 << len(_BIT), 4)
}
_MISMATCHES: Final = frozenset({Reason.NOT_IN_RESIDENT_NETWORK, Reason.INDIVIDUAL_NUMBER_CHECK_DIGIT})
_AT_ONCE: Final = 3
_SLICE: Final = 200


@dataclass(slots=True, kw_only=True)
class Examined:
    """What the first reading found. `lines`: one byte a line of the file; `counts`: rows that disagree, by reason.

    `index_version`: of the blind indexes by which the rows of this load are compared, to its end, whatever becomes of the key meanwhile.
    """

    lines: bytearray
    index_version: int
    rows: int = 0
    expected_new: int = 0
    two_people: frozenset[int] = frozenset()
    counts: Counter[str] = field(default_factory=Counter)

    @property
    def mismatches(self) -> int:
        return sum(self.counts.values())

    def facts(self) -> dict[str, int]:
        """For the sender's reason file: counts, nobody's line."""
        return {"rows": self.rows, "mismatches": self.mismatches, **dict(sorted(self.counts.items()))}

    def verdicts(self, rows: Sequence[Parsed]) -> NetworkVerdicts:
        """What the resident network said about these rows."""
        return {
            row.line: None if byte & _UNKNOWN else _FIELDS[byte & ~(_ASKED | _NEW)]
            for row in rows
            if (byte := self.lines[row.line]) & _ASKED
        }

    def is_new(self, line: int) -> bool:
        """Whether the row was judged to be somebody who is not held yet."""
        return self.lines[line] & _NEW != 0


async def index_rows(agency: Agency, parsed: Sequence[Parsed], version: int) -> list[bytes | None]:
    """The blind index of each row, all under one version, None without 個人番号. Lets other work of the server run in between."""
    indexes: list[bytes | None] = []
    index_of = agency.keys.index_of
    for start in range(0, len(parsed), _SLICE):
        indexes += [
            index_of(row.individual_number, version) if isinstance(row, Row) and row.individual_number else None
            for row in parsed[start : start + _SLICE]
        ]
        await asyncio.sleep(0)
    return indexes


async def examine(
    agency: Agency, chunks: AsyncIterable[tuple[Sequence[Parsed], int]], *, rights: SystemRights, lines: int, after: int
) -> Examined:
    """Read a load to its end. `chunks`: rows with the number of their last line; `lines`: of the file; `after`: the last line that an earlier run
    committed; up to there nobody is asked again.

    Raises ChannelError, StorageUnavailableError.
    """
    found = Examined(lines=bytearray(lines + 2), index_version=agency.keys.index_version())
    numbers = NumbersSeen()
    async with asyncio.TaskGroup() as group:
        waiting: deque[asyncio.Task[None]] = deque()
        async for rows, last_line in chunks:
            indexes = await index_rows(agency, rows, found.index_version)
            for row, index in zip(rows, indexes, strict=True):
                if index is not None and isinstance(row, Row):
                    numbers.add(index, row.name, row.sex, row.birth_date)
            if last_line > after:
                waiting.append(group.create_task(_judge(agency, found, numbers, rows, indexes, rights)))
            if len(waiting) >= _AT_ONCE:
                await waiting.popleft()
    found.two_people = await asyncio.to_thread(numbers.of_two_people)
    if found.two_people and not resident_network.is_asked(agency):
        found.counts[Reason.NUMBER_ON_TWO_PEOPLE] += numbers.rows_of(found.two_people)
    return found


async def ask_about(
    agency: Agency, rows: Sequence[Parsed], *, pauses: Sequence[float] = ()
) -> Mapping[int, frozenset[Field] | None]:
    """What the resident network says about the rows with an 個人番号; empty when it is not asked. Raises ChannelError."""
    asked = [row for row in rows if isinstance(row, Row) and row.individual_number]
    if not asked or not resident_network.is_asked(agency):
        return {}
    accounts = [(row.individual_number, row.four_items()) for row in asked]
    verdicts = await resident_network.compare(agency, accounts, pauses=pauses)
    return {row.line: verdict for row, verdict in zip(asked, verdicts, strict=True)}


async def _judge(
    agency: Agency,
    found: Examined,
    numbers: NumbersSeen,
    rows: Sequence[Parsed],
    indexes: Sequence[bytes | None],
    rights: SystemRights,
) -> None:
    """Each row counts once, whatever speaks against it; one that staff have decided about does not count."""
    network = await ask_about(agency, rows, pauses=resident_network.PATIENT)
    async with agency.database.inside(agency.tenant) as connection:
        ledger = await store.read_ledger(connection, agency.keys, rights.system, rows, indexes)
    around = Surroundings(
        intake_id=0, network=network, today=agency.today(), ages=agency.limits.ages.get(rights.system), alone=True
    )
    lines = found.lines
    found.rows += len(rows)
    for line, verdict in network.items():
        lines[line] = _UNKNOWN | _ASKED if verdict is None else _ASKED | sum(_BIT[name] for name in verdict)
    pairs: Iterable[tuple[Parsed, bytes | None]] = zip(rows, indexes, strict=True)
    if around.ages is None and ledger.is_empty:
        pairs = _without_plainly_new(found, pairs)
    for one in decide(pairs, ledger, around):
        held = one.outcome is Outcome.HELD and one.reason is not Reason.PERSON_FROZEN  # which says nothing of the load
        disagrees = held or one.reason in _MISMATCHES
        if one.outcome is Outcome.ISSUED:
            lines[one.line] |= _NEW
            found.expected_new += 1
        elif disagrees:
            found.counts[str(one.reason)] += 1
        if disagrees or (one.outcome is Outcome.UNCHANGED and one.line in ledger.settled):
            index = indexes[one.line - rows[0].line]
            if index is not None:
                numbers.leave_out(index)


def _without_plainly_new(
    found: Examined, pairs: Iterable[tuple[Parsed, bytes | None]]
) -> Iterator[tuple[Parsed, bytes | None]]:
    """Nobody is held under any number of this chunk: whoever the network agrees to is new, and needs no deciding yet. A first load is all of these."""
    lines = found.lines
    for row, index in pairs:
        if isinstance(row, Row) and not row.integrated_number and lines[row.line] & ~_ASKED == 0:
            lines[row.line] |= _NEW
            found.expected_new += 1
        else:
            yield row, index
