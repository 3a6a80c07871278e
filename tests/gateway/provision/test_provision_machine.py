"""SC-4, IS-3: questions, bars, looks, approvals and time in any order. What the provider says is what a small model says, and

1. nothing leaves without a permit of the core and a record of it in the log, committed with the very bytes;
2. nothing is released but what two people have approved by its hash, and nothing after the deadline;
3. nothing barred or frozen is answered without such a release, whoever asks or has delegated asking (委任元);
4. what is on its way is delivered once, and with content never while its person is frozen.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from gateway.intermediate_server.network.wire import encode_payload
from gateway.intermediate_server.provision import deadlines
from gateway.intermediate_server.provision.held import content_marks, hashes_for
from gateway.intermediate_server.provision.withholding import WhyWithheld, Withheld
from permission_lists.permit import read_permit
from tests.gateway.provision.test_what_bars_reach import delivery
from tests.support.copies import qualified
from tests.support.provider_world import INFORMATION, INQUIRER, LIMITS, OTHER, Answered, ProviderWorld, Question
from transport.problem import ProblemError

PICK = st.integers(min_value=0, max_value=10_000)
STAFF = st.sampled_from(["staff-1", "staff-2"])
ITEMS = st.sampled_from([(), ("被保険者番号",), ("被保険者番号", "枝番")])
STEAD = "koiki-rengo"
"""委任元 of `INQUIRER`, with a row of the list of its own."""
ASKERS = st.sampled_from([(INQUIRER,), (INQUIRER, STEAD), (OTHER,)])
DELEGATED = {
    "delegations": [{"delegator": STEAD, "delegate": INQUIRER, "side": "inquirer", "valid_from": "2022-04-01"}]
}
STRIKE = st.sampled_from([(), (Withheld(item="被保険者番号", reason=WhyWithheld.NON_DISCLOSURE),)])

Hashes = dict[str, str]


@dataclass
class Someone:
    number: str
    barred: list[bool] = field(default_factory=list)
    """The flag of each copy."""


@dataclass
class Bar:
    bar_id: str
    effect: str
    number: str | None = None
    inquirer: str | None = None
    item: str | None = None
    asked_by: str | None = None
    set_by: str = ""


@dataclass
class Asked:
    question: Question
    someone: Someone
    askers: tuple[str, ...]
    """Who asks, and who has delegated it."""
    deadline: object
    state: str
    waits: bool = False
    """Decided, and not delivered yet."""
    looks: list[tuple[Hashes, tuple[Withheld, ...], list]] = field(default_factory=list)
    """The hash of each member of staff, what was struck, what would leave: of each look since the last bar or copy came or went."""
    stale: list[tuple[Hashes, tuple[Withheld, ...]]] = field(default_factory=list)
    approved: tuple[str, str] | None = None
    """Who first, and of which content: the hash that staff-1 is shown of it."""
    marked: bool = False
    """Whether that approval says 不開示."""


class ProvisionMachine(RuleBasedStateMachine):
    """`world` and `run` are the class's own: one database for all runs, new people and questions for each."""

    world: ProviderWorld
    run: asyncio.Runner

    @initialize()
    def begin(self) -> None:
        self.people: list[Someone] = []
        self.asked: list[Asked] = []
        self.bars: list[Bar] = []
        self.released: dict[str, str] = {}
        self.examined: set[tuple[str, str]] = set()
        self.somebody(flag=True)
        self.somebody(flag=False)
        self.ask(pick=0, askers=(INQUIRER,), items=())

    def teardown(self) -> None:
        for one in getattr(self, "asked", ()):
            self._examine(one)
        for bar in getattr(self, "bars", ()):
            first, second = ("staff-1", "staff-2") if bar.asked_by != "staff-2" else ("staff-2", "staff-1")
            if bar.asked_by is None:
                self.run.run(self.world.change_bar(bar.bar_id, "lift", by=first))
                self.run.run(self.world.change_bar(bar.bar_id, "lift", by=second))
            else:
                self.run.run(self.world.change_bar(bar.bar_id, "lift", by="staff-9"))

    # --- what the model says

    def touching(self, someone: Someone, askers: tuple[str, ...]) -> list[Bar]:
        return [
            bar for bar in self.bars if bar.number == someone.number or bar.inquirer in askers or bar.item is not None
        ]

    def frozen(self, one: Asked) -> bool:
        return any(bar.effect in {"freeze", "refuse"} for bar in self.bars if bar.number == one.someone.number)

    def expected(self, someone: Someone, askers: tuple[str, ...], items: tuple[str, ...]) -> str:
        found = self.touching(someone, askers)
        if any(bar.effect == "refuse" for bar in found):
            return "refused"
        if any(bar.number == someone.number for bar in found):
            return "held"
        if not someone.barred:
            return "not_provided"
        by_item = any(bar.item is not None and (not items or bar.item in items) for bar in found)
        others = any(bar.item is None for bar in found)
        return "held" if by_item or others or any(someone.barred) else "provided"

    def changed(self, hit) -> None:
        """Looks and approvals of what this touches are void."""
        for one in self.asked:
            if one.state == "held" and hit(one):
                self._void(one)
                one.approved = None

    @staticmethod
    def _void(one: Asked) -> None:
        one.stale += [(hashes, struck) for hashes, struck, _ in one.looks]
        one.looks = []

    # --- people and questions

    @rule(flag=st.sampled_from([None, False, True]))
    def somebody(self, flag: bool | None) -> None:
        """With a copy of this flag, or without any."""
        someone = Someone(number=self.run.run(self.world.person()))
        self.people.append(someone)
        if flag is not None:
            self.copy(pick=len(self.people) - 1, flag=flag)

    @rule(pick=PICK, flag=st.booleans())
    def copy(self, pick: int, flag: bool) -> None:
        someone = self.people[pick % len(self.people)]
        self.run.run(qualified(self.world, someone.number, auto_response="barred" if flag else "allowed"))
        someone.barred.append(flag)
        for one in self.asked:  # what was seen is not what would leave now; an approval of it is of no use any more
            if one.someone is someone:
                self._void(one)

    @precondition(lambda self: self.people)
    @rule(pick=PICK, askers=ASKERS, items=ITEMS)
    def ask(self, pick: int, askers: tuple[str, ...], items: tuple[str, ...]) -> None:
        someone = self.people[pick % len(self.people)]
        stead = {"inquirer_for": STEAD, "item": "80"} if STEAD in askers else {}
        question = self.world.question(someone.number, inquirer=askers[0], items=items, **stead)
        answer = self.run.run(self.world.ask(question))
        assert answer.disposition == self.expected(someone, askers, items)
        deadline = self.world.now + LIMITS.answer_within
        self.asked.append(
            Asked(question=question, someone=someone, askers=askers, deadline=deadline, state=answer.disposition)
        )

    @precondition(lambda self: self.asked)
    @rule(pick=PICK)
    def ask_again(self, pick: int) -> None:
        """The same bytes: the stored answer, whatever has happened since; but what has content waits while its person is frozen."""
        one = self.asked[pick % len(self.asked)]
        if self.world.now > one.deadline:
            return
        if self.frozen(one) and self._now(one).payload is not None:
            assert self.run.run(self.world.told(one.question)) == {"retry": "not_yet"}
            return
        assert self.run.run(self.world.ask(one.question)).outcome == self._now(one).outcome

    def _now(self, one: Asked) -> Answered:
        return self.run.run(self.world.later(one.question))

    # --- bars

    @precondition(lambda self: self.people)
    @rule(pick=PICK, effect=st.sampled_from(["hold", "freeze", "refuse"]), by=STAFF)
    def bar_person(self, pick: int, effect: str, by: str) -> None:
        someone = self.people[pick % len(self.people)]
        self._set(Bar(bar_id="", effect=effect, number=someone.number), by, "person", integrated_number=someone.number)

    @rule(inquirer=st.sampled_from([INQUIRER, OTHER, STEAD]), by=STAFF, pick=PICK, askers=ASKERS)
    def bar_inquirer(self, inquirer: str, by: str, pick: int, askers: tuple[str, ...]) -> None:
        """And somebody asks at once, they or another."""
        self._set(Bar(bar_id="", effect="hold", inquirer=inquirer), by, "inquirer", inquirer=inquirer)
        self.ask(pick=pick, askers=askers, items=())

    @rule(item=st.sampled_from(["枝番", "被保険者番号"]), by=STAFF)
    def bar_item(self, item: str, by: str) -> None:
        self._set(Bar(bar_id="", effect="hold", item=item), by, "item", information=INFORMATION, data_item=item)

    def _set(self, bar: Bar, by: str, place: str, **said: str) -> None:
        bar.bar_id = self.run.run(self.world.bar(place, by, effect=bar.effect, **said))["bar_id"]
        self.bars.append(bar)
        self._moved(bar)

    def _moved(self, bar: Bar) -> None:
        self.changed(lambda one: bar.number == one.someone.number or bar.inquirer in one.askers or bar.item is not None)

    @precondition(lambda self: self.bars)
    @rule(pick=PICK, by=STAFF)
    def lift(self, pick: int, by: str) -> None:
        bar = self.bars[pick % len(self.bars)]
        if bar.asked_by == by:
            with pytest.raises(ProblemError, match="second_person_needed"):
                self.run.run(self.world.change_bar(bar.bar_id, "lift", by=by))
            return
        state = self.run.run(self.world.change_bar(bar.bar_id, "lift", by=by))["state"]
        assert state == ("unchecked_lift_asked" if bar.asked_by is None else "lifted")
        if bar.asked_by is not None:
            self.bars.remove(bar)
        bar.asked_by = by
        self._moved(bar)

    # --- staff

    def _held(self, pick: int) -> Asked | None:
        held = [one for one in self.asked if one.state == "held"][:3]
        return held[pick % len(held)] if held else None

    def _look(self, pick: int, struck: tuple[Withheld, ...]) -> Asked | None:
        one = self._held(pick)
        if one is None:
            return None
        try:
            seen, other = (
                self.run.run(self.world.held(one.question.permit_id, struck, by=by)) for by in ("staff-1", "staff-2")
            )
        except ProblemError as problem:
            assert problem.reason in ("withheld_item_not_there", "nothing_left")  # noqa: PT017
            return None
        assert seen["content_hash"] != other["content_hash"]
        hashes = {"staff-1": seen["content_hash"], "staff-2": other["content_hash"]}
        one.looks.append((hashes, struck, seen["would_leave"]))
        return one

    @rule(pick=PICK, struck=STRIKE, by=STAFF, then=st.sampled_from(["staff-1", "staff-2", None]), marked=st.booleans())
    def look_and_approve(
        self, pick: int, struck: tuple[Withheld, ...], by: str, then: str | None, marked: bool
    ) -> None:
        one = self._look(pick, struck)
        if one is not None:
            self._approve(one, one.looks[-1], by, marked=marked)
        if one is not None and then is not None and one.state == "held":
            self._approve(one, one.looks[-1], then)

    @rule(pick=PICK, look=PICK, by=STAFF)
    def approve_what_was_seen_before(self, pick: int, look: int, by: str) -> None:
        """A look that still holds, or one that a bar or a copy has voided."""
        one = self._held(pick)
        if one is not None and one.looks:
            self._approve(one, one.looks[look % len(one.looks)], by)
        elif one is not None and one.stale:
            hashes, struck = one.stale[look % len(one.stale)]
            with pytest.raises(
                ProblemError, match=r"content_changed|person_frozen|nothing_left|withheld_item_not_there"
            ):
                self.run.run(self.world.decide(one.question.permit_id, hashes[by], by=by, withheld=list(struck)))

    def _approve(
        self, one: Asked, seen: tuple[Hashes, tuple[Withheld, ...], list], by: str, marked: bool = False
    ) -> None:
        hashes, struck, records = seen
        hash_ = hashes["staff-1"]
        permit_id = one.question.permit_id
        call = self.world.decide(permit_id, hashes[by], by=by, withheld=list(struck), non_disclosure=marked)
        found = self.touching(one.someone, one.askers)
        if any(bar.effect in ("freeze", "refuse") for bar in found):
            with pytest.raises(ProblemError, match="person_frozen"):
                self.run.run(call)
        elif self.world.now > one.deadline:
            with pytest.raises(ProblemError, match="deadline_passed"):
                self.run.run(call)
        elif one.approved == (by, hash_):
            with pytest.raises(ProblemError, match="second_person_needed"):
                self.run.run(call)
        elif one.approved is None or one.approved[1] != hash_:
            assert self.run.run(call) == {"approved": True}
            one.approved, one.marked = (by, hash_), marked
        else:
            assert self.run.run(call) == {"released": True}
            one.state, one.waits = "released", True
            self.released[permit_id] = hash_
            answer = self._now(one)
            assert answer.payload is not None
            assert answer.payload.records == records
            assert answer.outcome.get("non_disclosure", False) is (marked or one.marked)

    @rule(pick=PICK, by=STAFF)
    def refuse(self, pick: int, by: str) -> None:
        one = self._held(pick)
        if one is not None:
            assert self.run.run(self.world.decide(one.question.permit_id, by=by)) == {"refused": True}
            one.state, one.waits = "refused", True

    @rule(hours=st.sampled_from([1, 30, 50, 100]))
    def time_passes(self, hours: int) -> None:
        self.world.now += timedelta(hours=hours)
        self.run.run(self.world.time_passes())
        for one in self.asked:
            if one.state == "held" and self.world.now > one.deadline:
                one.state, one.waits = "refused", True

    @rule()
    def deliver(self) -> None:
        """What was decided goes to its inquirer, whoever asks again meanwhile; what was frozen since waits, and goes when that is over."""
        taken = delivery(self.world)
        self.world.now += timedelta(minutes=1)
        self.run.run(deadlines.push(self.world.agency, self.world.now))
        for one in self.asked:
            given_up = self.world.now > one.deadline + timedelta(days=1)
            due = one.waits and not given_up and not (one.state == "released" and self.frozen(one))
            assert taken.permits.count(one.question.permit_id) == due, one
            one.waits = one.waits and not due and not given_up

    # --- what always holds

    @invariant()
    def nothing_left_without_permit_and_record(self) -> None:
        for one in getattr(self, "asked", ()):
            if (one.question.permit_id, one.state) not in self.examined:
                self._examine(one)
                self.examined.add((one.question.permit_id, one.state))

    def _examine(self, one: Asked) -> None:
        row = self.run.run(self.world.fetch("select * from provision where permit_id = $1", one.question.permit_id))[0]
        said = json.loads(row["outcome"])["disposition"]
        assert (row["state"], said) in {
            "provided": [("provided", "provided")],
            "not_provided": [("not_provided", "not_provided")],
            "held": [("held", "held")],
            "refused": [("refused", "refused"), ("rejected", "refused"), ("expired", "refused")],
            "released": [("released", "provided"), ("released", "not_provided")],
        }[one.state]
        if row["sealed"] is None:
            assert said in ("held", "refused")
            return
        permit = read_permit(row["permit"], self.world.core.public_key)
        entries = self.run.run(self.world.entries(one.question.asked.inquiry_number))
        last = entries[-1]
        assert (last["permit_id"], last["request_digest"]) == (permit.permit_id, sha256(row["request"]).hexdigest())
        assert last["sealed_digest"] == sha256(row["sealed"]).hexdigest()
        assert len([entry for entry in entries if entry["sealed_digest"] is not None]) == 1
        if row["state"] != "released":
            return
        approval = self.run.run(self.world.fetch("select * from held_approval where permit_id = $1", permit.permit_id))[
            0
        ]
        assert approval["first_staff"] != approval["second_staff"]
        assert approval["second_staff"] is not None
        payload = self._now(one).payload
        left = encode_payload(payload.kind, payload.records)
        [mark] = content_marks(self.world.agency, permit.permit_id, left, row["revision"])
        assert mark == approval["content_digest"]
        assert hashes_for(self.world.agency, mark, "staff-1") == (self.released[permit.permit_id],)


def test_the_provider_says_what_the_model_says(tmp_path, cluster):
    from tests.gateway.provision.conftest import BOTH
    from tests.support.provider_world import provider_world

    with asyncio.Runner() as run:
        opened = provider_world(tmp_path, cluster, mark="_machine", rules=BOTH, register=DELEGATED)
        machine = type("Machine", (ProvisionMachine,), {"world": run.run(opened.__aenter__()), "run": run})
        try:
            run_state_machine_as_test(
                machine,
                settings=settings(
                    max_examples=40, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
                ),
            )
        finally:
            run.run(opened.__aexit__(None, None, None))
