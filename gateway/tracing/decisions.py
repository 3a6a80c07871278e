"""What each party decided on, read again: the row of the list under the version that the record names, with its text (PL-2, PL-3, PL-4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from evidence.entry import EntryKind
from gateway.list_sources import Library
from gateway.tracing.proofs import Recorded
from permission_lists.decide import EXPLANATIONS, Party, Permitted, Question, Reason, Refused, decide
from permission_lists.explain import Checked, explain
from permission_lists.model import PermissionRow
from permission_lists.versions import Head, in_force, legal_day
from transport.register import Side

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
OF_PROVIDER: Final = "provision."
"""Begins the kinds of records of a provider, who judges by the day on which the permit was issued."""
_OF_DELEGATES: Final = {Reason.INQUIRES_OF_ITSELF.value, Reason.PIA_DUTY_NOT_MET.value}
"""What holds for whoever takes part, also in another's stead."""


class Unasked(StrEnum):
    """Why the list cannot be asked again."""

    VERSION = "unknown version"
    AGENCY = "unknown agency"
    STANDING = "standing changed that day"
    """The register says by days when an agency was assessed (28条); what it was before or after on the day of a change is not known."""
    PERMIT = "permit in no log"
    """A provider judges by the day of the permit, which stands in the core's log."""


UNASKED: Final = {
    Unasked.VERSION: "手元にない版のリスト",
    Unasked.AGENCY: "法令の区分を知らない機関",
    Unasked.PERMIT: "許可証の発行の記録がなく、どの日の判定か分からない提供",
    Unasked.STANDING: "保護評価（28条）の記載がその日に変わり、登録簿からはその時刻を確かめられない",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One party's decision. `permitted`: as recorded; `again`: what the same list says now (None: it cannot be asked, `unasked` says why).

    `reason`: of a recorded no; `explanation`: the list's own sentence where the list was the reason.
    """

    record: Recorded
    permitted: bool
    reason: str | None
    explanation: str | None
    version: Head | None
    again: bool | None = None
    unasked: Unasked | None = None
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


def decisions(records: Sequence[Recorded], library: Library, parties: Mapping[str, Party]) -> list[Decision]:
    """In the order of the records; the desk of a linkage server looks at no list.

    A provider judges by the day on which the permit was issued, everybody else by the day of their record.
    """
    issued = next((one.at for one in records if one.kind == EntryKind.PERMIT_ISSUED), None)
    return [
        _decision(one, issued if issued and one.kind.startswith(OF_PROVIDER) else one.at, library, parties)
        for one in records
        if one.kind in JUDGING and one.entry.get("list_digest")
    ]


def _decision(record: Recorded, at: str, library: Library, parties: Mapping[str, Party]) -> Decision:
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
    again = asked_again(entry, legal_day(datetime.fromisoformat(at)), library, parties)
    if isinstance(again, Unasked):
        return replace(decision, unasked=again)
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


def asked_again(entry: Mapping[str, Any], day: date, library: Library, parties: Mapping[str, Party]) -> Again | Unasked:
    """Ask the list that an exchange entry names once more, as of a legal day.

    Of the delegator where one side stands in for another (委任); a no that the core says of the delegates themselves, of them as well.
    Unasked where the record and the register differ in whether the assessment (28条) was done, and that changed on this day.
    """
    found = _asked(entry, day, library, parties)
    if isinstance(found, Unasked):
        return found
    unmet = isinstance(found.answer, Refused) and found.answer.reason is Reason.PIA_DUTY_NOT_MET
    if unmet == (entry.get("reason") == Reason.PIA_DUTY_NOT_MET):
        return found
    named = {entry.get(f"{side.value}{suffix}") for side in Side for suffix in ("", "_for")}
    changed = any(_standing_changes(party, day) for name, party in parties.items() if name in named)
    return Unasked.STANDING if changed else found


def _standing_changes(party: Party, day: date) -> bool:
    return party.assessed_on(day) != party.assessed_on(day - timedelta(days=1))


def _asked(entry: Mapping[str, Any], day: date, library: Library, parties: Mapping[str, Party]) -> Again | Unasked:
    version = _version(library, str(entry["list_digest"]), in_force(library.heads, day))
    if version is None:
        return Unasked.VERSION
    question = _put(entry, [str(entry.get(f"{side.value}_for") or entry[side.value]) for side in Side], day, parties)
    if question is None:
        return Unasked.AGENCY
    found = Again(version=version, question=question, answer=decide(library.content(version), question))
    if isinstance(found.answer, Refused) or entry.get("reason") not in _OF_DELEGATES:
        return found
    own = _put(entry, [str(entry[side.value]) for side in Side], day, parties)
    if own is None:
        return Unasked.AGENCY
    answer = decide(library.content(version), own)
    said = isinstance(answer, Refused) and answer.reason.value == entry["reason"]
    return Again(version=version, question=own, answer=answer) if said else found


def _put(entry: Mapping[str, Any], sides: Sequence[str], day: date, parties: Mapping[str, Party]) -> Question | None:
    """The question of an entry, of these two agencies; None when one is not known."""
    inquirer, provider = map(parties.get, sides)
    if inquirer is None or provider is None:
        return None
    return Question(
        on=day,
        inquirer=inquirer,
        provider=provider,
        basis=entry.get("basis"),
        item=str(entry["item"]),
        information=str(entry["information"]),
    )


def _version(library: Library, digest: str, of_the_day: Head | None) -> Head | None:
    """The version of this digest: the one of the day if it is that, else any."""
    if of_the_day is not None and of_the_day.content_digest == digest:
        return of_the_day
    return next((head for head in library.heads if head.content_digest == digest), None)
