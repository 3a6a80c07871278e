"""Asking the lines of one file: who is behind each number, then lists to the intermediate server, each list's answers kept before the next.

A line's message id comes from system, file digest and line alone, so whatever is sent again after a crash is the same inquiry there, and
refusals of our own are found again by it. Lines of a provider that keeps us waiting are registered without waiting and looked up later.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
import structlog

from gateway.linkage_server.access.look_ups import file_again_commit
from gateway.linkage_server.bulk_inquiries import store
from gateway.linkage_server.bulk_inquiries.classes import OPEN, LineClass, class_of
from gateway.linkage_server.bulk_inquiries.content import Content
from gateway.linkage_server.bulk_inquiries.form import FIELDS, Form
from gateway.linkage_server.bulk_inquiries.judging import NO_USER, NoQuestion, Question
from gateway.linkage_server.bulk_inquiries.pace import Pace
from gateway.linkage_server.bulk_inquiries.progress import Speed
from gateway.linkage_server.bulk_inquiries.store import Answered, Holder, InquiryFile
from gateway.linkage_server.inquiry_desk import flow, matching, refusals, whose
from gateway.linkage_server.inquiry_desk.flow import Desk
from gateway.linkage_server.inquiry_desk.inquiry import message
from gateway.linkage_server.spool_rights import admit_still
from storage.database import Connection
from storage.fault_points import declare
from transport.channel import ChannelError

_LOG = structlog.get_logger()
RESOURCE: Final = "inquiry-files"
SEND: Final = declare("linkage", "send.bulk_inquiries")
SEND_RESULTS: Final = declare("linkage", "send.bulk_inquiry_results")
LINES_STEP: Final = declare("linkage", "commit.inquiry_file.lines")
_USER: Final = FIELDS.index("user_id")
_LOOK_UP: Final = 500
_WAIT_MS: Final = 3_000
_LOOK_AGAIN_S: Final = 3.0


class Said(msgspec.Struct):
    """One answer of IF_SKI_90012 or 90013, as far as it is used."""

    inquiry_number: str | None = None
    state: str | None = None
    outcome: str | None = None
    reason: str | None = None
    values: list[Any] | None = None
    retry: str | None = None
    refused: dict[str, str] | None = None


@dataclass(frozen=True, slots=True, repr=False)
class Ready:
    """A line that can go out, and about whom."""

    line: Question
    integrated_number: int


@dataclass(slots=True, kw_only=True)
class Lines:
    """The lines of a file that are not asked yet, and how many lines of each provider keep us waiting, as seen at `looked_at`."""

    ready: deque[Question]
    slow: Counter[str] = field(default_factory=Counter)
    looked_at: float = 0.0

    def take(self, size: int) -> tuple[list[Question], bool]:
        """The next list, and whether its providers answer at once: those who keep us waiting share no list with the others."""
        taken: list[Question] = []
        left: deque[Question] = deque()
        quick = True
        while self.ready and len(taken) < size:
            one = self.ready.popleft()
            is_quick = self.slow[one.inquiry.provider] == 0
            quick = quick if taken else is_quick
            (taken if quick is is_quick else left).append(one)
        self.ready.extendleft(reversed(left))
        return taken, quick


class FileAsker:
    """Asks one file's lines over the agency's desk."""

    def __init__(self, desk: Desk, pace: Pace, speed: Speed, file: InquiryFile) -> None:
        self._desk = desk
        self._agency = desk.agency
        self._pace = pace
        self._speed = speed
        self._file = file

    async def check_rights(self) -> None:
        """Raises StoppedError: a system that is suspended or removed asks nothing more and is handed nothing."""
        await admit_still(self._agency, self._file.system, RESOURCE, "spool")

    async def keep(self, lines: Sequence[Answered], *, late: bool = False) -> None:
        """Commit what became of these lines. `late`: they were asked before, and have their answer now."""
        LINES_STEP.before.reached()
        await store.put_lines(self._agency, self._file.id, lines)
        LINES_STEP.after.reached()
        if not late:
            self._speed.done(len(lines))

    async def keep_unasked(self, lines: Sequence[NoQuestion]) -> None:
        """Lines that are no question."""
        for start in range(0, len(lines), _LOOK_UP):
            part = lines[start : start + _LOOK_UP]
            await self.keep(
                [
                    Answered(one.number, one.why, None, Content(request=one.fields, reason=one.reason, where=one.where))
                    for one in part
                ]
            )

    async def ask(self, questions: Sequence[Question]) -> None:
        """Every question until it is answered or registered. Raises StorageUnavailableError, StoppedError; what was kept stays kept."""
        lines = Lines(ready=deque(questions))
        async with asyncio.TaskGroup() as group:
            for _ in range(self._pace.most):
                group.create_task(self._work(lines))

    async def _work(self, lines: Lines) -> None:
        loop = asyncio.get_running_loop()
        while lines.ready:
            if lines.slow.total() and loop.time() - lines.looked_at > _LOOK_AGAIN_S:
                lines.looked_at = loop.time()
                await self._catch_up(lines)
            async with self._pace.turn() as turn:
                await self.check_rights()
                some, quick = lines.take(turn.size)
                ready = await self._known(
                    some
                )  # as late as can be: whoever is frozen or split off by now is not asked about as before
                try:
                    turn.through = not ready or await self._send(lines, ready, wait_ms=_WAIT_MS if quick else 0)
                    turn.tells = quick and len(ready) == turn.size
                except ChannelError as failure:
                    _LOG.warning(
                        "bulk_inquiries:waits", agency=self._agency.id, reason=failure.reason, count=len(ready)
                    )
                    lines.ready.extendleft(one.line for one in reversed(ready))

    async def _catch_up(self, lines: Lines) -> None:
        """See which providers have answered meanwhile."""
        try:
            lines.slow = Counter(one.content.provider for one in await self.look_up() if one.found is LineClass.WAITING)
        except ChannelError as failure:
            _LOG.warning("bulk_inquiries:waits", agency=self._agency.id, reason=failure.reason)

    async def _send(self, lines: Lines, some: Sequence[Ready], *, wait_ms: int) -> bool:
        """Ask one list and keep its answers; lines that the server wants again go back. True when all of it was taken."""
        items = [
            message(
                one.line.inquiry,
                message_id=self._identity(one.line.number),
                system=self._file.system,
                integrated_number=f"{one.integrated_number:015d}",
            )
            for one in some
        ]
        outbound = self._agency.outbound
        answers = await outbound.ask_list(outbound.intermediate("inquiries"), items, step=SEND, wait_ms=wait_ms)
        said = [_said(answer) for answer in answers]
        again = [one.line for one, answer in zip(some, said, strict=True) if answer.retry is not None]
        done = [(one, answer) for one, answer in zip(some, said, strict=True) if answer.retry is None]
        asked = [
            (
                one.line.number,
                Content(
                    request=one.line.fields,
                    information=one.line.inquiry.information,
                    provider=one.line.inquiry.provider,
                ),
                answer,
            )
            for one, answer in done
        ]
        kept = await self._judged(asked, {one.line.number: one.integrated_number for one, _ in done})
        await self.keep(kept)
        lines.slow.update(one.content.provider for one in kept if one.found is LineClass.WAITING)
        lines.ready.extend(again)
        return not again

    async def look_up(self) -> list[Answered]:
        """Ask what became of the open lines and keep what has ended; returns those that are still open. Raises ChannelError."""
        waiting = await store.open_lines(self._agency, self._file.id)
        outbound = self._agency.outbound
        left: list[Answered] = []
        for start in range(0, len(waiting), _LOOK_UP):
            part = waiting[start : start + _LOOK_UP]
            people = await self._everybody([(one.line, one.content) for one in part])
            items = [
                {
                    "inquiry_number": one.inquiry_number,
                    "system": self._file.system,
                    "actor": one.content.request[_USER] or NO_USER,
                }
                | ({"integrated_numbers": people[one.line]} if one.line in people else {})
                for one in part
            ]
            answers = await outbound.ask_list(outbound.intermediate("inquiry-results"), items, step=SEND_RESULTS)
            asked = [(one.line, one.content, _said(answer)) for one, answer in zip(part, answers, strict=True)]
            now = await self._judged(asked, None)
            changed = [one for one, before in zip(now, part, strict=True) if one.found is not before.found]
            if changed:
                await self.keep(changed, late=True)
            left += [one for one in now if one.found in OPEN]
        return left

    async def _judged(
        self, asked: Sequence[tuple[int, Content, Said]], people: Mapping[int, int] | None
    ) -> list[Answered]:
        """What each answer makes of its line, compared with the ledger (SC-22). `people`: line → integrated number, looked up when not given."""
        to_match = [number for number, _, answer in asked if matching.names_a_person(answer.values)]
        held = await self._held(to_match, asked, people) if to_match else {}
        found = []
        for number, known, answer in asked:
            name, reason = _class(answer)
            match = matching.compare(answer.values, held.get(number)) if answer.values is not None else None
            content = msgspec.structs.replace(known, reason=reason, values=answer.values, match=match)
            found.append(Answered(number, name, answer.inquiry_number, content))
        return found

    async def _held(
        self, numbers: Sequence[int], asked: Sequence[tuple[int, Content, Said]], people: Mapping[int, int] | None
    ) -> dict[int, matching.FourItems]:
        wanted = frozenset(numbers)
        async with self._agency.database.inside(self._agency.tenant) as connection:
            if people is None:
                people = await self._people(
                    connection, [(number, known) for number, known, _ in asked if number in wanted]
                )
            mine = [people[number] for number in numbers if number in people]
            items = await matching.four_items_by_person(connection, self._agency.keys, mine)
        return {number: items[people[number]] for number in numbers if people.get(number) in items}

    async def _people(self, connection: Connection, lines: Iterable[tuple[int, Content]]) -> dict[int, int]:
        """Line → integrated number of the person whom it names."""
        pairs = [pair for number, known in lines for pair in self._spellings(number, known.request)]
        holders = await store.find_people(connection, self._file.system, pairs)
        return {number: _best(some).integrated_number for number, some in holders.items()}

    async def _everybody(self, lines: Sequence[tuple[int, Content]]) -> dict[int, list[str]]:
        """Line → all integrated numbers of the person whom it names by now: an answer about another is not handed out (docs/adr/0121)."""
        async with self._agency.database.inside(self._agency.tenant) as connection:
            people = await self._people(connection, lines)
            same = await whose.same_person(connection, people.values())
        return {line: [f"{number:015d}" for number in same[person]] for line, person in people.items()}

    async def record_again(self, lines: Sequence[Answered]) -> None:
        """Lines of a result that is handed out again: whose answers are in it is on record first (SC-7). Raises StorageUnavailableError."""
        answered = [(one.line, one.content) for one in lines if one.content.values is not None]
        if not answered:
            return
        async with self._agency.database.inside(self._agency.tenant) as connection:
            people = await self._people(connection, answered)
        by_user: dict[str, set[int]] = {}
        for line, known in answered:
            seen = by_user.setdefault(known.request[_USER], set())
            if line in people:
                seen.add(people[line])
        for user, persons in by_user.items():
            await self._agency.committer.apply(
                file_again_commit(self._agency, self._file.system, user, self._file.sha256, persons)
            )

    async def _known(self, questions: Sequence[Question]) -> list[Ready]:
        """The questions whose addressee is known and may be asked about; the others are refused by the desk, on record (LS-3.1)."""
        identities = {self._identity(one.number): one.number for one in questions}
        pairs = [pair for one in questions for pair in self._spellings(one.number, one.fields)]
        async with self._agency.database.inside(self._agency.tenant) as connection:
            found = await store.find_people(connection, self._file.system, pairs)
            before = await refusals.find(connection, list(identities))
            ended = [one.integrated_number for holders in found.values() for one in holders if not one.held]
            current = await store.current_numbers(connection, self._file.system, ended) if ended else {}
        refused = {identities[identity]: one for identity, one in before.items()}
        ready: list[Ready] = []
        no: list[tuple[Question, LineClass, str]] = []
        for one in questions:
            holders = found.get(one.number, [])
            now = current.get(_best(holders).integrated_number, "") if holders else ""
            why = LineClass(refused[one.number].reason) if one.number in refused else _why_not(holders, now)
            if why is None:
                ready.append(Ready(one, _best(holders).integrated_number))
            else:
                no.append((one, why, now))
        await self._refuse(no)
        return ready

    async def _refuse(self, lines: Iterable[tuple[Question, LineClass, str]]) -> None:
        """Recorded as the desk records it, then kept with the line."""
        some = list(lines)
        answers = await asyncio.gather(
            *(
                flow.refuse(
                    self._desk, self._file.system, one.inquiry, identity=self._identity(one.number), reason=why.value
                )
                for one, why, _ in some
            )
        )
        kept = [
            Answered(
                one.number,
                why,
                answer["inquiry_number"],
                Content(request=one.fields, reason=why.value, current=current),
            )
            for (one, why, current), answer in zip(some, answers, strict=True)
        ]
        if kept:
            await self.keep(kept)

    def _spellings(self, line: int, fields: Sequence[str]) -> list[tuple[int, str]]:
        """The number as written and, where the form fills 15 digits, without each of its leading zeros: a system writes its own width."""
        number = fields[1]
        filled = 0 if self._file.form is Form.CSV else len(number) - len(number.lstrip("0") or "0")
        return [(line, number[at:]) for at in range(filled + 1)]

    def _identity(self, line: int) -> str:
        return self._agency.keys.line_identity(self._file.system, self._file.sha256, line, under=self._file.named_under)


def _best(holders: Sequence[Holder]) -> Holder:
    """The one whose number is the system's today, if any is."""
    return next((one for one in holders if one.held), holders[0])


def _why_not(holders: Sequence[Holder], current: str) -> LineClass | None:
    """Why nobody is asked about whoever stands behind a number; None: ask. `current`: the number that the person has today."""
    held = [one for one in holders if one.held]
    if not holders:
        return LineClass.ADDRESSEE_UNKNOWN
    if len(held) > 1 or len({one.integrated_number for one in holders}) > 1:
        return LineClass.ADDRESSEE_AMBIGUOUS
    if not held:
        return LineClass.ADDRESSEE_REPLACED if current else LineClass.ADDRESSEE_ENDED
    return LineClass.PERSON_FROZEN if held[0].frozen else None


def _said(answer: Mapping[str, Any]) -> Said:
    """Raises ChannelError: what is not as documented is no answer."""
    try:
        return msgspec.convert(answer, Said)
    except msgspec.ValidationError:
        raise ChannelError("peer_answer_malformed") from None


def _class(answer: Said) -> tuple[LineClass, str]:
    """Class and reason code of one answer."""
    if answer.refused is not None:
        reason = answer.refused.get("reason", "")
        return (LineClass.PERSON_CHANGED if reason == "idempotency_key_reused" else LineClass.ABORTED), reason
    found = class_of(answer.state, answer.outcome, answer.reason, answer.values)
    if found in OPEN and answer.inquiry_number is None:
        raise ChannelError("peer_answer_malformed")
    return found, answer.reason or ""
