"""Staff decide on held provisions (SC-4): release all of it, a part of it, or refuse it with a reason.

An approval binds the hash of exactly what leaves, the bars that stood when it was looked at, and who looked; where the agency says so two
people look and approve the same. At release the list, the deadline, the bars and the content are looked at again; any difference voids the approval.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final

import msgspec
from asyncpg import Record
from msgspec import Meta

from evidence.entry import EntryKind
from gateway.intermediate_server.agency import HostedAgency
from gateway.intermediate_server.bars.standing import USE_SUSPENDED
from gateway.intermediate_server.codes.ending import CODE_CANCELLED
from gateway.intermediate_server.metrics import HELD_PROVISIONS
from gateway.intermediate_server.network.wire import read_outcome
from gateway.intermediate_server.provision import answering
from gateway.intermediate_server.provision.answering import NOT_PROVIDED, PROVIDED, Answer
from gateway.intermediate_server.provision.flow import entry_of
from gateway.intermediate_server.provision.held import Covers, Leaving, asked_about, hashes_for, leaving, one
from gateway.intermediate_server.provision.withholding import Withheld, encode
from gateway.intermediate_server.staff.operating import First, FirstMayNotError
from gateway.intermediate_server.staff.rights import Function, Grant
from permission_lists.barring import HoldGround
from permission_lists.decide import Refused
from permission_lists.permit import Permit, read_stored_permit
from permission_lists.versions import VersionRefusal
from storage import sql
from storage.committer import Commit, NewEntry, Statement, Write, commit_step
from transport.problem import ProblemError

_SQL = sql.load("gateway.intermediate_server.provision")
_DECIDE = Statement("decide_held", _SQL["decide_held"])
_APPROVE = Statement("approve_held", _SQL["approve_held"])
_SECOND = Statement("second_held", _SQL["second_held"])
_APPROVED_STEP = commit_step("intermediate", "provision.approved")
_DECIDED_STEP = commit_step("intermediate", "provision.decided")
_RELEASED: Final = {
    PROVIDED: ("released", EntryKind.PROVISION_RELEASED),
    NOT_PROVIDED: ("released", EntryKind.PROVISION_NOT_PROVIDED),
}
_REFUSED: Final = ("rejected", EntryKind.PROVISION_REFUSED)
"""State and kind of entry by what the inquirer is told: a release of what cannot be sealed for it is a refusal."""
REASONS = frozenset({"refused_by_staff", "non_disclosure", "protection_of_person"})


class HeldDecision(msgspec.Struct, forbid_unknown_fields=True):
    """Item of IF_SYM_90016. `content_hash` as IF_SYM_90015 has shown it to the same person for this `withheld`; `reason` is told the inquirer when `approve` is false.

    `non_disclosure`: the records of all parties mark it as 不開示 (番号法23条2項), whichever of two people says so.
    """

    permit_id: str
    approve: bool
    content_hash: str
    reason: str = ""
    withheld: Annotated[list[Withheld], Meta(max_length=200)] = []
    non_disclosure: bool = False


HELD_DECISION = msgspec.json.Decoder(HeldDecision)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decider:
    """The member of staff who decides. `covers(affair, information)`: whether their right does; `two_people(information)`: whether one is
    not enough; `still_may(first)`: whether whoever approved first still could; `commit(commit, affair, information, first)`: do it while they may, and
    the first of two with them; False when its guard lost. Raises ProblemError 401, 403 when they may no more, FirstMayNotError when the first may not.
    """

    staff_id: str
    covers: Covers
    two_people: Callable[[str], bool]
    still_may: Callable[[First], Awaitable[Grant | None]]
    entry: Callable[..., NewEntry]
    commit: Callable[[Commit, str, str, First | None], Awaitable[bool]]


async def decide(agency: HostedAgency, decision: HeldDecision, decider: Decider, now: datetime) -> dict[str, Any]:
    """IF_SYM_90016: release or refuse one held provision. Raises ProblemError 404/409/400 with what to do."""
    row = await one(agency, decision.permit_id, decider.covers)
    permit = read_stored_permit(row["permit"])
    if not decision.approve:
        return await _refuse(agency, decision, row, permit, decider, now)
    left = await leaving(agency, row, decision.withheld, now)
    _check(
        agency,
        decision,
        row,
        permit,
        [one for mark in left.marks for one in hashes_for(agency, mark, decider.staff_id)],
        now,
    )
    second: tuple[Write, ...] = ()
    first: First | None = None
    if decider.two_people(row["information"]):
        first, same = _approved_first(row), row["approved_digest"] in left.marks
        if first is None or not same or not await decider.still_may(first):
            return await _first(agency, decision, row, left, decider, now)
        if first.staff_id == decider.staff_id:
            raise ProblemError(
                403,
                "second_person_needed",
                "Two people release this kind of information; another one must approve it too.",
            )
        second = (Write(_SECOND, (permit.permit_id, decider.staff_id, row["approved_digest"])),)
    made = answering.conclude(
        agency, permit, row["exchange_digest"], row["public_key"], now, left.disposition, left.why, left.records, row["integrated_number"],
        marked=_marked(agency, decision, row, row["integrated_number"]),
    )  # fmt: skip
    state, kind = _RELEASED.get(made.disposition, _REFUSED)
    said = _said(decision, row, left, marked=_by_staff(decision, row))
    if made.reason is not None:  # nothing leaves: the inquirer's key cannot be sealed for
        answer: dict[str, Any] = {"refused": True, "reason": made.reason}
        entry = decider.entry(refused=made.reason, **said)
    else:
        answer = {"released": True}
        entry = decider.entry(released="part" if decision.withheld else "whole", **said)
    commit = concluding(
        agency, permit, made, state, kind, decider.staff_id, now, revision=row["revision"], follow=second, entries=(entry,)
    )  # fmt: skip
    try:
        await _conclude(agency, row, commit, decider, first)
    except FirstMayNotError:  # since they were looked at above
        return await _first(agency, decision, row, left, decider, now)
    return answer


def _approved_first(row: Record) -> First | None:
    if row["first_staff"] is None:
        return None
    return First(
        staff_id=row["first_staff"], function=Function.HELD_DECIDE, affair=row["item"], information=row["information"]
    )


def _marked(agency: HostedAgency, decision: HeldDecision, row: Record, number: str | None) -> bool:
    """不開示 of the provider's side (番号法23条2項): by whoever decides, or by a bar of that effect, now or when it was held."""
    return _by_staff(decision, row) or marked_by_bars(agency, row, number)


def marked_by_bars(agency: HostedAgency, row: Record, number: str | None) -> bool:
    """Whether a bar marks a held provision as 不開示, or did when it was held: what was said once is said in the records that outlive that one."""
    now = agency.bars.look(number, row["information"]).marked
    return now or read_outcome(row["outcome"]).non_disclosure


def _by_staff(decision: HeldDecision, row: Record) -> bool:
    """不開示 by one of those who decide: what the first of two has said counts, whatever the second says."""
    return decision.non_disclosure or bool(row["approved_non_disclosure"])


async def _refuse(
    agency: HostedAgency, decision: HeldDecision, row: Record, permit: Permit, decider: Decider, now: datetime
) -> dict[str, Any]:
    if decision.reason not in REASONS:
        raise ProblemError(
            400,
            "reason_missing",
            "A refusal needs a reason: refused_by_staff, non_disclosure or protection_of_person.",
        )
    _check_deadline(permit, now)
    number = asked_about(agency, row)
    marked = _marked(agency, decision, row, number)
    made = answering.refuse(agency, permit, row["exchange_digest"], now, decision.reason, number, marked=marked)
    entry = decider.entry(refused=decision.reason, permit_id=permit.permit_id, inquiry_number=permit.inquiry_number)
    commit = concluding(agency, permit, made, *_REFUSED, decider.staff_id, now, entries=(entry,))
    await _conclude(agency, row, commit, decider)
    return {"refused": True}


def _check(
    agency: HostedAgency, decision: HeldDecision, row: Record, permit: Permit, hashes: Sequence[str], now: datetime
) -> None:
    """What must still be so when it is released; `hashes`: what the decider would be shown. Raises ProblemError 409."""
    if agency.standing.refuses(permit.issued_at):
        raise ProblemError(
            409,
            answering.OLDER_THAN_LOG,
            "The log was opened anew since this permit: what was decided under it may be lost; refuse it.",
        )
    _check_person(agency, row)
    if not any(hmac.compare_digest(decision.content_hash.encode(), one.encode()) for one in hashes):
        raise ProblemError(
            409,
            "content_changed",
            "What would leave is not what you were shown yourself, or a bar came or went; look at it again.",
        )
    _check_deadline(permit, now)
    if agency.lists.overdue(agency.today(permit.issued_at)) is not None:
        raise ProblemError(
            409,
            VersionRefusal.OVERDUE.value,
            "The list that counts has not come from the core; release it when it has.",
        )
    counting = agency.lists.of_permit(permit, now)
    if counting is None:
        raise ProblemError(409, "list_not_in_force", "This server does not hold the list of the permit; refuse it.")
    if not answering.delegated(agency, permit, agency.today(now)):
        raise ProblemError(409, "delegation_not_on_file", "The delegation has ended; refuse it.")
    found = counting.decide(*answering.rows_of(agency, permit), permit.basis, permit.item, permit.information)
    if isinstance(found, Refused):
        raise ProblemError(409, found.reason.value, "The permission list does not permit this provision; refuse it.")


def _check_deadline(permit: Permit, now: datetime) -> None:
    """Raises ProblemError 409: behind it nothing is released, and nothing refused that nobody waits for."""
    if now > permit.answer_by:
        raise ProblemError(
            409, "deadline_passed", "The inquirer's deadline has passed; the provision expires by itself."
        )


def _check_person(agency: HostedAgency, row: Record) -> None:
    """What bars and codes say of whom it is about. Raises ProblemError 409."""
    barred = agency.bars.look(row["integrated_number"], row["information"])
    if barred.suspended:
        raise ProblemError(409, USE_SUSPENDED, "Use is suspended; nothing leaves until two people have ended that.")
    if barred.frozen:
        raise ProblemError(
            409, HoldGround.PERSON_FROZEN.value, "This person's data is frozen; nothing leaves until that is lifted."
        )
    if row["code_cancelled"]:
        raise ProblemError(
            409,
            CODE_CANCELLED,
            "The code by which this was asked has been cancelled since: it may be about another person; refuse it.",
        )


async def _first(
    agency: HostedAgency, decision: HeldDecision, row: Record, left: Leaving, decider: Decider, now: datetime
) -> dict[str, Any]:
    """The first of two people: nothing leaves. When somebody else was first in the meantime, this one decides anew."""
    entry = decider.entry(approved="first", **_said(decision, row, left, marked=decision.non_disclosure))
    values = (
        row["permit_id"],
        decider.staff_id,
        left.mark,
        row["first_staff"] or "",
        encode(decision.withheld),
        row["revision"],
        decision.non_disclosure,
    )
    commit = Commit(step=_APPROVED_STEP, guard=Write(_APPROVE, values), entries=(entry,))
    if not await decider.commit(commit, row["item"], row["information"], None):
        return await decide(agency, decision, decider, now)
    return {"approved": True}


def _said(decision: HeldDecision, row: Record, left: Leaving, *, marked: bool) -> dict[str, str | int]:
    """What the access log says of an approval or a release: ids, a keyed hash, names of items and words of ours."""
    return {
        "permit_id": decision.permit_id,
        "inquiry_number": row["inquiry_number"],
        "content_hash": left.mark,
        **({"withheld": encode(decision.withheld)} if decision.withheld else {}),
        **({"non_disclosure": True} if marked else {}),
    }


async def _conclude(
    agency: HostedAgency, row: Record, commit: Commit, decider: Decider, first: First | None = None
) -> None:
    """Raises ProblemError 409 when it lost."""
    if not await decider.commit(commit, row["item"], row["information"], first):
        raise ProblemError(
            409,
            "decided_already",
            "Somebody has decided this provision, or set or lifted a bar, meanwhile; look at it again.",
        )
    concluded(agency)


def concluding(
    agency: HostedAgency,
    permit: Permit,
    made: Answer,
    state: str,
    kind: EntryKind,
    actor: str,
    now: datetime,
    *,
    revision: int | None = None,
    follow: tuple[Write, ...] = (),
    entries: tuple[NewEntry, ...] = (),
) -> Commit:
    """A held provision is decided, once. `revision`: of a release, the one that was looked at."""
    row = (permit.permit_id, state, made.outcome, made.signature, made.sealed, now, revision)
    entry = entry_of(agency, permit, made, kind, now, actor=actor)
    return Commit(step=_DECIDED_STEP, guard=Write(_DECIDE, row), follow=follow, entries=(entry, *entries))


def concluded(agency: HostedAgency) -> None:
    """One is decided: it is held no more, and the broom delivers the outcome at once."""
    HELD_PROVISIONS.labels(agency.id).dec()
    agency.broom.call(0)
