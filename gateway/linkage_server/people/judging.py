"""異動の判定: what becomes of each change of a list, from what is held and what the resident network says (LS-1.2, SC-18). Pure.

A list is judged with the answers that are there; whatever has to be asked first comes back as `missing`, and the list is judged anew with the
answers. So the network is never waited for while a transaction is open, and what is written was judged against what is held at that moment.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Final

import msgspec

from codebook.four_items import Field
from gateway.linkage_server.addressees.decide import differing
from gateway.linkage_server.people.changes import BadChange, Change, ChangeReason, ParsedChange
from gateway.linkage_server.people.judged import (
    ChangeOutcome,
    Judged,
    again,
    corrected_into_another,
    disagrees,
    folds_to,
    judged_as,
    outside_life,
    returns_as_another,
)
from gateway.linkage_server.people.snapshot import Snapshot
from gateway.linkage_server.people.state import (
    REGISTERING,
    Event,
    Items,
    Kind,
    Person,
    happens_after_death,
    happens_before_birth,
    taken_back,
)
from gateway.linkage_server.people.taking_back import TakingBack
from gateway.linkage_server.people.whose_addressees import WhoseAddressees
from gateway.linkage_server.people.whose_numbers import Someone, WhoseNumbers
from gateway.linkage_server.plausibility import age_is_of_the_affair
from gateway.linkage_server.ways_of_writing import FoldsTold

Account = tuple[str, Items]
"""A 個人番号 and the four items that are to be its holder's."""
Verdicts = Mapping[int, frozenset[Field] | None]
"""`hash(account)` → the fields in which the resident network differs, None when it does not know the number."""


@dataclass(slots=True, kw_only=True, repr=False)
class Court:
    """One list under judgement. `approved`: event keys that a review has decided to take; `asks`: whether the resident network is asked, which says
    whose a number is; `two_people`: numbers that stand for two otherwise, when nobody is held who has them; `numbers`: whose 個人番号 this list has changed.
    """

    snapshot: Snapshot
    verdicts: Verdicts
    system: str
    key_of: Callable[[str], str]
    digest_of: Callable[[Change], bytes]
    today: date
    now: datetime
    asks: bool
    approved: Collection[str] = frozenset()
    ages: tuple[int, int] | None = None
    two_people: Collection[str] = ()
    missing: dict[int, Account] = field(default_factory=dict)
    numbers: WhoseNumbers = field(init=False)
    _people: dict[int, Someone] = field(default_factory=dict)
    _addressees: WhoseAddressees = field(init=False)
    _judged: dict[str, Judged] = field(default_factory=dict)
    _taking_back: TakingBack = field(init=False)

    def __post_init__(self) -> None:
        self.numbers = WhoseNumbers(by_number=self.snapshot.by_number, rows=self.snapshot.rows)
        self._addressees = WhoseAddressees(
            system=self.system, held=self.snapshot.addressees, today=self.today, person=self._held
        )
        self._taking_back = TakingBack(
            snapshot=self.snapshot,
            key_of=self.key_of,
            digest_of=self.digest_of,
            whose=self._addressees.whose,
            today=self.today,
        )

    def anew(self) -> Court:
        """The same court before it has judged anything: with the answers that have come meanwhile."""
        return replace(self, missing={}, _people={}, _judged={})

    def judge(self, changes: Sequence[ParsedChange]) -> list[Judged]:
        """In order: a change sees those before it."""
        return [self._one(change) for change in changes]

    def _one(self, change: ParsedChange) -> Judged:
        if isinstance(change, BadChange):
            return Judged(
                change=None, line=change.line, outcome=ChangeOutcome.REJECTED, reason=change.reason, where=change.where
            )
        key, digest = self.key_of(change.event_id), self.digest_of(change)
        known = self._known(change, key, digest)
        if known is not None:
            return known
        judged = self._taking_back.withdraw(change, key, self._judged) or self._about(change, key)
        judged = msgspec.structs.replace(judged, digest=digest)
        self._judged[key] = judged
        return judged

    def _about(self, change: Change, key: str) -> Judged:
        someone = self._someone(change)
        if isinstance(someone, Judged):
            return someone
        if someone is None:
            return self._registration(change, key)
        return self._change(change, key, self._of_before_a_merge(change, someone))

    # --- what came before

    def _known(self, change: Change, key: str, digest: bytes) -> Judged | None:
        before = self._judged.get(key)
        if before is not None and before.outcome is not ChangeOutcome.REJECTED:
            return self._of_this_list(change, before, digest)
        if (event := self.snapshot.events.get(key)) is not None:
            waited = not event.applied and not event.undone and change.effective_on <= self.today
            if event.digest == digest and (waited or (event.undone and key in self.approved)):
                return None
            outcome = ChangeOutcome.UNCHANGED if event.applied or event.undone else ChangeOutcome.WAITING
            return again(change, key, outcome, same=event.digest == digest)
        hold = self.snapshot.holds.get(key)
        if hold is None or hold.state == "cancelled" or key in self.approved:
            return None
        same = hold.says(self.digest_of) in (None, digest)
        if hold.state == "open":
            return again(change, key, ChangeOutcome.HELD, hold.reason, same=same)
        return again(change, key, ChangeOutcome.REJECTED, ChangeReason.REFUSED_IN_REVIEW, same=same)

    def _of_this_list(self, change: Change, before: Judged, digest: bytes) -> Judged:
        """The same event stood higher up in this list: as if it had come in the list before."""
        same = before.digest == digest
        if before.outcome is ChangeOutcome.HELD:
            return again(change, before.key, ChangeOutcome.HELD, str(before.reason), same=same)
        outcome = ChangeOutcome.WAITING if before.outcome is ChangeOutcome.WAITING else ChangeOutcome.UNCHANGED
        return again(change, before.key, outcome, same=same)

    # --- whom it is about

    def _someone(self, change: Change) -> Someone | Judged | None:
        """The person of the change's addressee number; None when it would register one."""
        key = self.key_of(change.event_id)
        someone = self._addressees.whose(change.addressee_number)
        if someone is None and change.kind in REGISTERING:
            return None
        if someone is None:
            return judged_as(change, key, ChangeOutcome.REJECTED, ChangeReason.ADDRESSEE_UNKNOWN)
        if self._addressees.comes_after_end(change, someone) and not self._is_free(change, key, someone):
            return judged_as(change, key, ChangeOutcome.HELD, ChangeReason.ADDRESSEE_ENDED)
        return someone

    def _of_before_a_merge(self, change: Change, someone: Someone) -> Someone:
        """Of whom a cancellation takes something back: a number that was told before a merge may stand with whoever was merged into `someone`."""
        known = self.snapshot.events.get(self.key_of(change.cancels)) if change.cancels else None
        if known is None or known.integrated_number in (None, someone.number) or known.lives_on != someone.number:
            return someone
        merged = self._held(known.integrated_number)
        merged.lives_on, merged.numbers = someone, self.numbers
        return merged

    def _held(self, number: int) -> Someone:
        if number not in self._people:
            held = self.snapshot.people[number]
            self._people[number] = Someone(number=number, base=held.base, person=held.person, events=held.events)
        return self._people[number]

    def _holder(self, individual_number: str) -> Someone | None:
        if individual_number in self.numbers.now:
            holder = self.numbers.now[individual_number]
            return holder.alive if holder is not None else None
        number = self.snapshot.by_number.get(individual_number)
        return self._held(number) if number is not None else None

    def _former_holder(self, individual_number: str) -> Someone | None:
        """Whoever had a number that nobody has now."""
        if not individual_number or self._holder(individual_number) is not None:
            return None
        if individual_number in self.numbers.formerly:
            return self.numbers.formerly[individual_number]
        number = self.snapshot.formerly.get(individual_number)
        return self._held(number) if number is not None else None

    # --- a move-in or birth of somebody who is not held under this addressee number

    def _registration(self, change: Change, key: str) -> Judged:
        number = change.says.individual_number
        former = self._former_holder(number)
        someone = former or (self._holder(number) if number else None)
        if someone is None and number in self.two_people and not self.asks and key not in self.approved:
            return judged_as(change, key, ChangeOutcome.HELD, ChangeReason.NUMBER_ON_TWO_PEOPLE)
        if change.effective_on > self.today:
            return judged_as(change, key, ChangeOutcome.WAITING, ChangeReason.NOT_YET)
        wrong = None if key in self.approved else self._speaks_against(someone, change, key)
        if wrong is None and someone is not None and self.snapshot.is_frozen(someone.number):
            wrong = judged_as(change, key, ChangeOutcome.HELD, ChangeReason.PERSON_FROZEN)
        if wrong is not None:
            return wrong
        told = tuple if key in self.approved else folds_to(someone, change.says.items(), self.today)
        outcome = ChangeOutcome.LINKED
        if someone is None:
            outcome = ChangeOutcome.ISSUED
            base = change.somebody_new()
            someone = Someone(number=None, base=base, person=base, events=())
        self._addressees.registered[change.addressee_number] = someone
        if number and former is None:
            self.numbers.now[number] = someone
        event = msgspec.structs.replace(self._event(change, key, someone), registers=True)
        return self._recorded(change, key, someone, someone.having(event), outcome, registers=True, folds=told)

    def _speaks_against(self, someone: Someone | None, change: Change, key: str) -> Judged | None:
        """What speaks against a move-in or birth: of whoever has its number, or had it, or of somebody new."""
        if someone is not None and self._former_holder(change.says.individual_number) is someone:
            return judged_as(change, key, ChangeOutcome.HELD, ChangeReason.INDIVIDUAL_NUMBER_FORMER)
        if happens_before_birth(change.kind, change.effective_on, change.says.birth_date):
            return judged_as(change, key, ChangeOutcome.HELD, ChangeReason.EVENT_BEFORE_BIRTH)
        wrong = self._against(change.says.individual_number, change.says.items(), change, key)
        if wrong is not None or someone is None:
            return wrong
        today = someone.on(self.today)
        if happens_after_death(change.kind, change.effective_on, today.state, someone.events):
            return judged_as(change, key, ChangeOutcome.HELD, ChangeReason.EVENT_AFTER_DEATH)
        said, then = change.says.items(), someone.on(change.effective_on).items  # it counts from that day on
        differs = differing(today.items, said) or differing(then, said)
        return disagrees(change, key, differs) if differs else None

    # --- a change of somebody who is held

    def _change(self, change: Change, key: str, someone: Someone) -> Judged:
        if change.kind is Kind.BIRTH and not self._is_free(change, key, someone):
            return judged_as(change, key, ChangeOutcome.HELD, ChangeReason.ALREADY_REGISTERED)
        reason = self._taking_back.wrongly(change, someone, self._judged)
        if reason is not None:
            return judged_as(change, key, ChangeOutcome.REJECTED, reason)
        later = someone.having(self._event(change, key, someone))
        if change.effective_on > self.today:
            return self._recorded(change, key, someone, later, ChangeOutcome.WAITING, reason=ChangeReason.NOT_YET)
        wrong = None if self._is_taken_back(change, key, someone) else self._objection(change, key, someone, later)
        if wrong is not None:
            return wrong
        returns = change.kind is Kind.MOVE_IN and someone.lives_on is None and not self._is_free(change, key, someone)
        told = folds_to(someone, later.on(self.today).items, self.today) if returns else tuple
        note = self._note(change, someone)
        return self._recorded(change, key, someone, later, ChangeOutcome.APPLIED, reason=note, folds=told)

    def _objection(self, change: Change, key: str, someone: Someone, later: Someone) -> Judged | None:
        """What speaks against a change today: a hold, or None. `later`: the person with the change."""
        if (replaces := self._addressees.replaces_wrongly(change, someone)) is not None:
            return judged_as(change, key, ChangeOutcome.HELD, replaces)
        before, after = someone.on(self.today), later.on(self.today)
        if someone.lives_on is not None:
            items = someone.lives_on.on(self.today).items
            before, after = (msgspec.structs.replace(one, items=items) for one in (before, after))
        changes_number = after.individual_number != before.individual_number
        said = change.says.individual_number
        if any(
            self._is_anothers(number, someone) for number in (said, after.individual_number if changes_number else "")
        ):
            return judged_as(change, key, ChangeOutcome.HELD, ChangeReason.INDIVIDUAL_NUMBER_TAKEN)
        if key in self.approved:
            return None
        outside = outside_life(change, before.state, after.items[3], someone.without(key))
        reason = self._taking_back.of_others(change, someone) or outside
        if self._names_former(change, someone, changes_number=changes_number):
            reason = ChangeReason.INDIVIDUAL_NUMBER_FORMER
        if reason is not None:
            return judged_as(change, key, ChangeOutcome.HELD, reason)
        if said not in {"", before.individual_number, after.individual_number, *someone.formers(self.today)}:
            # told late: it is in the history alone, and is to be theirs too
            wrong = self._against(said, after.items, change, key)
            if wrong is not None:
                return wrong
        return self._against_today(change, key, someone, before, after)

    def _is_anothers(self, number: str, someone: Someone) -> bool:
        holder = self._holder(number) if number else None
        return holder is not None and holder is not someone.alive

    def _against_today(
        self, change: Change, key: str, someone: Someone, before: Person, after: Person
    ) -> Judged | None:
        if (after.items, after.individual_number) == (before.items, before.individual_number):
            return None
        if change.kind is Kind.MOVE_IN and (other := returns_as_another(change, key, before, after)) is not None:
            return other
        wrong = self._against(after.individual_number, after.items, change, key)
        is_vouched_for = self.asks and after.individual_number != ""
        if wrong is None and not is_vouched_for and someone.number in self.snapshot.held_by_others:
            wrong = corrected_into_another(change, key, before, after)
        return wrong

    def _names_former(self, change: Change, someone: Someone, *, changes_number: bool) -> bool:
        """Whether a change names a number that nobody has any more. One that a person had in between may be told late, and changes nothing."""
        former = self._former_holder(change.says.individual_number)
        return former is not None and (former is not someone or changes_number or change.kind in REGISTERING)

    def _against(self, number: str, items: Items, change: Change, key: str) -> Judged | None:
        """The resident network's word, and the age that the affair has. A list goes on as if it agreed while it is not asked yet."""
        if number and self.asks:
            account = (number, items)
            if hash(account) not in self.verdicts:
                self.missing[hash(account)] = account
            elif (fields := self.verdicts[hash(account)]) is None:
                return judged_as(change, key, ChangeOutcome.HELD, ChangeReason.NOT_IN_RESIDENT_NETWORK)
            elif fields:
                return disagrees(change, key, fields)
        if number and not age_is_of_the_affair(items[3], self.today, self.ages):
            return judged_as(change, key, ChangeOutcome.HELD, ChangeReason.AGE_AGAINST_AFFAIR)
        return None

    @staticmethod
    def _is_taken_back(change: Change, key: str, someone: Someone) -> bool:
        """Whether a change was taken back before it came, or before its day: it counts nowhere, and nothing speaks against that."""
        return not change.cancels and key in taken_back(someone.events)

    def _is_free(self, change: Change, key: str, someone: Someone) -> bool:
        return key in self.approved or self._is_taken_back(change, key, someone)

    def _note(self, change: Change, someone: Someone) -> ChangeReason | None:
        """What the sender should know of a change that was taken."""
        if change.cancels and all(one.event_key != self.key_of(change.cancels) for one in someone.events):
            return ChangeReason.CANCELLED_EVENT_UNKNOWN
        before = change.effective_on < someone.base.registered_on and change.kind is not Kind.CORRECTION
        return ChangeReason.BEFORE_REGISTRATION if before and change.says.said() else None

    # --- taking it

    def _event(self, change: Change, key: str, someone: Someone) -> Event:
        """The change as it will lie in the history: behind all that is there, or in its own old place.

        Whoever comes with a number that they had once, and was decided to be that person, has the number that they have.
        """
        there = next((one for one in someone.events if one.event_key == key), None)
        says = change.says if there is None else there.says
        if there is None and change.kind in REGISTERING and self._former_holder(says.individual_number) is someone:
            says = msgspec.structs.replace(says, individual_number="")
        return Event(
            event_no=_AFTER_ALL + len(self._judged) if there is None else there.event_no,
            event_key=key,
            kind=change.kind,
            effective_on=change.effective_on,
            recorded_at=self.now,
            applied=change.effective_on <= self.today,
            says=says,
            cancels=self.key_of(change.cancels) if change.cancels else None,
            addressee=(self.system, change.addressee_number),
            replaced_by=change.replaced_by,
            registers=(
                change.effective_on <= self.today
                and self._addressees.brings(change, someone)
                and not self._is_taken_back(change, key, someone)
            ),
        )

    def _recorded(
        self,
        change: Change,
        key: str,
        someone: Someone,
        later: Someone,
        outcome: ChangeOutcome,
        *,
        reason: ChangeReason | None = None,
        registers: bool = False,
        folds: FoldsTold = tuple,
    ) -> Judged:
        """`later`: the person with the change, which comes last of its events."""
        reinstates = len(later.events) == len(someone.events)
        if later.events[-1].registers and change.replaced_by:
            self._addressees.registered[change.replaced_by] = someone
        self.numbers.moved(someone, later, self.today)
        someone.become(later)
        return Judged(
            change=change,
            line=change.line,
            outcome=outcome,
            reason=reason,
            key=key,
            someone=someone,
            event=someone.events[-1],
            registers=registers,
            reinstates=reinstates,
            folds=folds,
        )


_AFTER_ALL: Final = 1 << 62
"""Events of a list come after all that are held, in their order."""
