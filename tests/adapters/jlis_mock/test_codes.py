from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from adapters.jlis_mock.core.code_epochs import Epoch, EpochState
from adapters.jlis_mock.core.codes import CODE_SIZE, CodeBook, CodeBroken, CodeOutdated, InUse, purpose_of
from keys.ring import Keyring

AGENCIES = ("setagaya", "suginami", "naikaku")
NOW = datetime(2022, 10, 3, tzinfo=UTC)


def ring() -> Keyring:
    made = Keyring.new()
    for agency in AGENCIES:
        made.create(purpose_of(agency))
    return made


RING = ring()
BOOK = CodeBook(RING, AGENCIES)
PERSON_REFS = st.binary(min_size=16, max_size=16)


@given(PERSON_REFS)
def test_a_converted_code_is_the_other_agencys_own(person_ref: bytes) -> None:
    code = BOOK.code_of("setagaya", person_ref)
    assert BOOK.convert(code, "setagaya", "naikaku") == BOOK.code_of("naikaku", person_ref)
    assert len(code) == CODE_SIZE


@given(PERSON_REFS, st.integers(0, CODE_SIZE * 8 - 1))
def test_any_flipped_bit_breaks_a_code(person_ref: bytes, bit: int) -> None:
    code = bytearray(BOOK.code_of("setagaya", person_ref))
    code[bit // 8] ^= 1 << bit % 8
    with pytest.raises(CodeBroken):
        BOOK.convert(bytes(code), "setagaya", "naikaku")


@given(PERSON_REFS)
def test_another_agencys_code_is_broken_here(person_ref: bytes) -> None:
    with pytest.raises(CodeBroken):
        BOOK.convert(BOOK.code_of("suginami", person_ref), "setagaya", "naikaku")


@given(PERSON_REFS, st.integers(0, CODE_SIZE - 1))
def test_any_cut_breaks_a_code(person_ref: bytes, size: int) -> None:
    with pytest.raises(CodeBroken):
        BOOK.convert(BOOK.code_of("setagaya", person_ref)[:size], "setagaya", "naikaku")


def test_codes_outlive_a_restart() -> None:
    keys = ring()
    code = CodeBook(keys, AGENCIES).code_of("setagaya", bytes(16))
    assert CodeBook(keys, AGENCIES).code_of("setagaya", bytes(16)) == code


def test_a_code_of_an_epoch_that_is_over_is_told_from_one_that_never_was() -> None:
    keys = ring()
    keys.rotate(purpose_of("setagaya"))
    book = CodeBook(keys, AGENCIES)
    code = book.code_of("setagaya", bytes(16))
    book.take({"setagaya": InUse(issued=2, newest=2, accepted=frozenset({2}))})
    with pytest.raises(CodeOutdated):
        book.convert(code, "setagaya", "naikaku")
    with pytest.raises(CodeBroken) as never:
        book.convert(code[:1] + b"\x07" + code[2:], "setagaya", "naikaku")
    assert not isinstance(never.value, CodeOutdated)


class Renewing(RuleBasedStateMachine):
    """An inquirer and a provider whose codes pass from epoch to epoch: whoever is known to the provider is found under every permit, and nobody else.

    `living`, `former`: what the provider's server keeps; `in_flight`: codes in permits that were issued and not yet presented.
    """

    def __init__(self) -> None:
        super().__init__()
        self.ring = ring()
        self.book = CodeBook(self.ring, AGENCIES)
        self.step: Epoch | None = None
        self.settled = 1
        self.living: dict[bytes, bytes] = {}
        self.former: dict[bytes, bytes] = {}
        self.in_flight: list[tuple[bytes, bytes]] = []

    def moved(self, number: int, state: EpochState) -> None:
        self.step = Epoch(
            agency="naikaku", number=number, state=state, announced_at=NOW, accept_s=0, accepted_until=None
        )
        self.book.take({"naikaku": self.step.in_use})

    def found(self, code: bytes) -> bytes | None:
        living = {each: person for person, each in self.living.items()}
        return living.get(code, self.former.get(code))

    @rule(person=st.integers(0, 5).map(lambda n: bytes([n]) * 16))
    def a_code_is_delivered(self, person: bytes) -> None:
        code = self.book.code_of("naikaku", person)
        if code[1] >= self.settled and person not in self.living:
            self.living[person] = code

    @rule(person=st.integers(0, 5).map(lambda n: bytes([n]) * 16))
    def a_permit_is_issued(self, person: bytes) -> None:
        own = self.book.code_of("setagaya", person)
        if person in self.living:
            self.in_flight.append((self.book.convert(own, "setagaya", "naikaku"), person))

    @precondition(lambda self: self.step is None or (self.step.state is EpochState.DESTROYED and self.step.number < 6))
    @rule()
    def an_epoch_is_announced(self) -> None:
        self.moved(self.ring.rotate(purpose_of("naikaku")), EpochState.ANNOUNCED)

    @precondition(lambda self: self.step is not None and self.step.state is EpochState.ANNOUNCED)
    @rule(data=st.data())
    def a_code_is_renewed(self, data: st.DataObject) -> None:
        newest = self.step.number if self.step else 0
        left = sorted(person for person, code in self.living.items() if code[1] < newest)
        if not left:
            self.settled = newest
            self.moved(newest, EpochState.SETTLED)
            return
        person = data.draw(st.sampled_from(left))
        old = self.living[person]
        self.former[old] = person
        self.living[person] = self.book.renewed(old, "naikaku")

    @precondition(lambda self: self.step is not None and self.step.state is EpochState.SETTLED)
    @rule()
    def the_old_epoch_ends(self) -> None:
        number = self.step.number if self.step else 0
        self.moved(number, EpochState.REFUSED)
        self.ring.destroy(purpose_of("naikaku"), number - 1)
        self.moved(number, EpochState.DESTROYED)
        for code in self.former:
            with pytest.raises(CodeOutdated):
                self.book.renewed(code, "naikaku")

    @invariant()
    def everybody_is_found_and_nobody_else(self) -> None:
        assert [self.found(code) for code, _ in self.in_flight] == [person for _, person in self.in_flight]
        for person in self.living:
            own = self.book.code_of("setagaya", person)
            assert self.found(self.book.convert(own, "setagaya", "naikaku")) == person

    @invariant()
    def the_providers_own_codes_are_taken(self) -> None:
        for person, code in self.living.items():
            assert self.book.convert(code, "naikaku", "setagaya") == self.book.code_of("setagaya", person)


def test_in_whatever_order_codes_pass_to_new_epochs_nobody_is_lost_or_mistaken() -> None:
    run_state_machine_as_test(Renewing, settings=settings(max_examples=60, stateful_step_count=30, deadline=None))
