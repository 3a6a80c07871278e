"""The ring against a model of it: any order of changes keeps its promises, also across wrap and unwrap."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from keys.errors import KeyDestroyed, KeyDisabled, KeyMissing, RingRefused
from keys.masked import Secret
from keys.ring import Keyring, State, unwrap, wrap

KEK = Secret(bytes(32))
PURPOSES = st.sampled_from(["a", "b"])
NUMBERS = st.integers(1, 4)


class RingStates(RuleBasedStateMachine):
    sealed = Bundle("sealed")

    def __init__(self) -> None:
        super().__init__()
        self.ring = Keyring.new()
        self.model: dict[str, dict[int, State]] = {}
        self.life = {"a": 0, "b": 0}  # a purpose made again after it was forgotten is another one

    def primary(self, purpose: str) -> int | None:
        return next((n for n, state in self.model.get(purpose, {}).items() if state is State.PRIMARY), None)

    @rule(purpose=PURPOSES)
    def create(self, purpose: str) -> None:
        if purpose in self.model:
            with pytest.raises(RingRefused):
                self.ring.create(purpose)
        else:
            self.ring.create(purpose)
            self.model[purpose] = {1: State.PRIMARY}
            self.life[purpose] += 1

    @rule(purpose=PURPOSES)
    def rotate(self, purpose: str) -> None:
        if purpose not in self.model:
            with pytest.raises(KeyMissing):
                self.ring.rotate(purpose)
            return
        versions = self.model[purpose]
        old = self.primary(purpose)
        if old is not None:
            versions[old] = State.ENABLED
        number = max(versions) + 1
        versions[number] = State.PRIMARY
        assert self.ring.rotate(purpose) == number

    @rule(purpose=PURPOSES, number=NUMBERS)
    def disable(self, purpose: str, number: int) -> None:
        self.move(self.ring.disable, purpose, number, State.ENABLED, State.DISABLED)

    @rule(purpose=PURPOSES, number=NUMBERS)
    def enable(self, purpose: str, number: int) -> None:
        self.move(self.ring.enable, purpose, number, State.DISABLED, State.ENABLED)

    def move(self, change, purpose: str, number: int, before: State, after: State) -> None:
        state = self.model.get(purpose, {}).get(number)
        if state is before:
            change(purpose, number)
            self.model[purpose][number] = after
        else:
            with pytest.raises(KeyMissing if state is None else RingRefused):
                change(purpose, number)

    @rule(purpose=PURPOSES, number=st.none() | NUMBERS)
    def destroy(self, purpose: str, number: int | None) -> None:
        versions = self.model.get(purpose, {})
        gone = list(versions) if number is None else [number] if number in versions else []
        if not gone:
            with pytest.raises(KeyMissing):
                self.ring.destroy(purpose, number)
            return
        self.ring.destroy(purpose, number)
        versions.update(dict.fromkeys(gone, State.DESTROYED))

    @rule(purpose=PURPOSES)
    def forget(self, purpose: str) -> None:
        versions = self.model.get(purpose)
        if versions is not None and set(versions.values()) == {State.DESTROYED}:
            self.ring.forget(purpose)
            del self.model[purpose]
        else:
            with pytest.raises(KeyMissing if versions is None else RingRefused):
                self.ring.forget(purpose)

    @rule()
    def save_and_load(self) -> None:
        self.ring = unwrap(wrap(self.ring, KEK), KEK)

    @rule(target=sealed, purpose=PURPOSES, data=st.binary(max_size=5), siv=st.booleans())
    def encrypt(self, purpose: str, data: bytes, siv: bool):
        seal = self.ring.encrypt_siv if siv else self.ring.encrypt
        number = self.primary(purpose)
        if number is None:
            with pytest.raises(KeyDestroyed if purpose in self.model else KeyMissing):
                seal(purpose, data, b"aad")
            return None
        return purpose, self.life[purpose], number, data, siv, seal(purpose, data, b"aad")

    @rule(item=sealed)
    def decrypt(self, item) -> None:
        self.check(item)

    @rule(item=consumes(sealed))
    def decrypt_for_the_last_time(self, item) -> None:
        self.check(item)

    def check(self, item) -> None:
        if item is None:
            return
        purpose, life, number, data, siv, sealed = item
        if life != self.life[purpose]:
            return
        open_it = self.ring.decrypt_siv if siv else self.ring.decrypt
        refusals = {None: KeyMissing, State.DISABLED: KeyDisabled, State.DESTROYED: KeyDestroyed}
        refusal = refusals.get(self.model.get(purpose, {}).get(number))
        if refusal is None:
            assert open_it(purpose, sealed, b"aad") == data
        else:
            with pytest.raises(refusal):
                open_it(purpose, sealed, b"aad")

    @invariant()
    def states_agree_and_one_version_at_most_is_primary(self) -> None:
        assert {purpose: self.ring.versions(purpose) for purpose in self.ring.purposes()} == self.model
        for purpose, versions in self.model.items():
            assert list(versions.values()).count(State.PRIMARY) <= 1
            assert self.ring.has(purpose) is (State.PRIMARY in versions.values())

    @invariant()
    def material_is_there_exactly_until_destroyed(self) -> None:
        for versions in self.ring._purposes.values():
            for version in versions.values():
                assert (version.material is None) is (version.state is State.DESTROYED)


RingStates.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestRingStates = RingStates.TestCase
