"""What each party decided on, read again: the row of the list under the version that the record names, with its text (PL-2, PL-3, PL-4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, Final

from evidence.entry import EntryKind
from gateway.list_sources import Library
from gateway.tracing.proofs import Recorded
from permission_lists.decide import EXPLANATIONS, Party, Permitted, Question, Reason, Refused, decide
from permission_lists.explain import Checked, explain
from permission_lists.model import PermissionRow
from permission_lists.versions import Head, in_force, legal_day
from transport.register import Register

JUDGING: Final = {
    EntryKind.INQUIRY_REGISTERED.value: True,
    EntryKind.INQUIRY_REFUSED.value: False,
    EntryKind.PERMIT_ISSUED.value: True,
    EntryKind.PERMIT_REFUSED.value: False,
    EntryKind.PROVISION_MADE.value: True,
    EntryKind.PROVISION_HELD.value: True,
    EntryKind.PROVISION_NOT_PROVIDED.value: True,
    EntryKind.PROVISION_REFUSED.value: False,
}
"""Records of somebody who had looked at the list: with a yes of the list, or with a no of the list or of something else."""
_OF_PROVIDER: Final = "provision."


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One party's decision. `permitted`: as recorded; `again`: what the same list says now (None: that version is not here).

    `reason`: of a recorded no; `explanation`: the list's own sentence where the list was the reason.
    """

    record: Recorded
    permitted: bool
    reason: str | None
    explanation: str | None
    version: Head | None
    again: bool | None = None
    row: PermissionRow | None = None
    provider_term: str | None = None
    columns: tuple[Checked, ...] = ()

    @property
    def by_the_list(self) -> bool:
        """Whether the list decided: a yes, or a no that is one of the list's."""
        return self.permitted or self.explanation is not None

    @property
    def confirmed(self) -> bool | None:
        """Whether the list, asked again, says the same; None where it cannot be asked or was not what decided."""
        return None if self.again is None or not self.by_the_list else self.again == self.permitted


def decisions(records: Sequence[Recorded], library: Library, register: Register) -> list[Decision]:
    """In the order of the records; the desk of a linkage server looks at no list.

    A provider judges by the day on which the permit was issued, everybody else by the day of their record.
    """
    issued = next((one.at for one in records if one.kind == EntryKind.PERMIT_ISSUED), None)
    return [
        _decision(one, issued if issued and one.kind.startswith(_OF_PROVIDER) else one.at, library, register)
        for one in records
        if one.kind in JUDGING and one.entry.get("list_digest")
    ]


def _decision(record: Recorded, at: str, library: Library, register: Register) -> Decision:
    entry = record.entry
    permitted = JUDGING[record.kind]
    reason = None if permitted else entry.get("reason")
    decision = Decision(
        record=record,
        permitted=permitted,
        reason=reason,
        explanation=EXPLANATIONS[Reason(reason)] if reason in set(Reason) else None,
        version=None,
    )
    again = asked_again(entry, legal_day(datetime.fromisoformat(at)), library, register)
    if again is None:
        return decision
    answer = again.answer
    decision = replace(decision, version=again.version, again=isinstance(answer, Permitted), row=answer.row)
    if isinstance(answer, Permitted):
        return replace(decision, provider_term=answer.grant.provider.text)
    return replace(decision, columns=explain(library.content(again.version), again.question).columns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Again:
    """What the version that a record names says of the record's question."""

    version: Head
    question: Question
    answer: Permitted | Refused


def asked_again(entry: Mapping[str, Any], day: date, library: Library, register: Register) -> Again | None:
    """Ask the list that an exchange entry names once more, as of a legal day; None when that version is not here."""
    version = _version(library, str(entry["list_digest"]), in_force(library.heads, day))
    if version is None:
        return None
    question = Question(
        on=day,
        inquirer=_party(register, str(entry["inquirer"])),
        provider=_party(register, str(entry["provider"])),
        basis=entry.get("basis"),
        item=str(entry["item"]),
        information=str(entry["information"]),
    )
    return Again(version=version, question=question, answer=decide(library.content(version), question))


def _version(library: Library, digest: str, of_the_day: Head | None) -> Head | None:
    """The version of this digest: the one of the day if it is that, else any."""
    if of_the_day is not None and of_the_day.content_digest == digest:
        return of_the_day
    return next((head for head in library.heads if head.content_digest == digest), None)


def _party(register: Register, agency: str) -> Party:
    """An agency as the list sees it; one that is not registered is of no kind."""
    found = register.agencies.get(agency)
    if found is None:
        return Party(name=agency, kinds=frozenset())
    return Party(name=found.name, kinds=found.kinds, pia_duty_met=found.assessed)
