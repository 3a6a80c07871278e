"""What a partner takes in: only what it asked for, from whom it asked, and what it cannot judge it refuses by the reason of the documents."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from adapters.jlis_mock.core.permit_token import PermitClaims, write_permit
from evidence import canonical
from evidence.canonical import timestamp
from keys.signing import Signer, generate_seed
from keys.windows import KeyWindow, PublicKeys
from partner.asking import presented, read_answer
from partner.mailbox import Mailbox
from partner.messages import (
    DEFAULT_LIFE,
    MessageBrokenError,
    Question,
    hexdigest,
    octets,
    permit_claims,
    sign_request,
    text,
)
from partner.providing import Found, Provider, parties
from transport.register import ALWAYS, Agency, Delegation, Register, Side

NOW = datetime(2026, 11, 30, 3, tzinfo=UTC)
ITEMS = {"保険者番号": {"value": "99999999"}, "被保険者番号": {"value": "92295831"}}
FOUND = Found(records=[{"data_set": "資格情報", "version": "0001", "items": ITEMS}])
CODE, NONCE = b"\x01" * 34, b"\x02" * 32


def keys(signer: Signer) -> PublicKeys:
    return PublicKeys((KeyWindow(key=signer.public_key, valid_from=None, valid_to=None),))


@dataclass
class World:
    """Two agencies and a core; `said`: what the request, and its permit, say beyond what each must."""

    core: Signer = field(default_factory=lambda: Signer(generate_seed()))
    asker: Signer = field(default_factory=lambda: Signer(generate_seed()))
    giver: Signer = field(default_factory=lambda: Signer(generate_seed()))
    said: dict[str, Any] = field(default_factory=dict)
    held: bool = False
    permitted: Any = lambda _claims: True
    delegations: tuple[Delegation, ...] = ()

    @property
    def register(self) -> Register:
        agencies = {
            name: Agency(id=name, code="", name=name, kinds=frozenset(), signing_keys=keys(signer), assessed=ALWAYS)
            for name, signer in (("asker", self.asker), ("giver", self.giver), ("third", self.core))
        }
        return Register(agencies=agencies, peers={}, logs={}, permit_keys=keys(self.core), delegations=self.delegations)

    def provider(self) -> Provider:
        found = Found(records=FOUND.records, held=self.held)
        return Provider(
            agency="giver", signer=self.giver, register=lambda: self.register, lists=frozenset({"a" * 64}),
            permitted=self.permitted, look=lambda _code, _kind: found,
        )  # fmt: skip

    def asked(self, **claims):
        """A signed request, a permit for it, and the item that the provider gets."""
        question = Question(
            provider="giver", item="3", information="x", list_digest="a" * 64, basis="b", items=("被保険者番号",), said=self.said
        )  # fmt: skip
        signed = sign_request(question, agency="asker", signer=self.asker, now=NOW)
        request = json.loads(signed.request)
        names = (
            "inquiry_number",
            "inquirer",
            "provider",
            "basis",
            "item",
            "information",
            "items",
            "list_digest",
            "key_hash",
        )
        permit = PermitClaims(
            permit_id="K" + "0" * 26,
            **{name: request[name] for name in names},
            request_digest=hexdigest(signed.request),
            code_binding=hexdigest(NONCE + CODE),
            issued_at=timestamp(NOW),
            redeem_by=timestamp(NOW),
            answer_by=request["expires_at"],
            **{**self.said, **claims},
        )
        written = write_permit(permit, self.core)
        return signed, written, {**presented(written, signed), "code": text(CODE), "nonce": text(NONCE)}


def answered(world: World):
    signed, permit, item = world.asked()
    return signed, permit, world.provider().answer(item, NOW)


def test_a_code_is_taken_under_a_number_that_was_given_out_and_once():
    mailbox = Mailbox()
    assert mailbox.take_code("P" + "0" * 26, CODE) == {"refused": {"reason": "acquisition_number_unknown"}}
    number, other, again = (mailbox.new_number(person, NOW) for person in ("one", "other", "one"))
    assert mailbox.take_code(number, CODE[1:]) == {"refused": {"reason": "code_malformed"}}
    assert mailbox.take_code(number, CODE) == mailbox.take_code(number, CODE) == {"bound": True}
    assert mailbox.take_code(number, b"\x03" * 34) == {"refused": {"reason": "code_differs"}}
    assert mailbox.take_code(other, CODE) == {"refused": {"reason": "code_of_another_person"}}
    assert mailbox.take_code(again, CODE) == {"bound": True}
    assert mailbox.codes == {number: CODE, again: CODE}


def test_a_late_outcome_is_taken_when_it_is_the_providers_own_of_what_was_asked():
    world, mailbox = World(), Mailbox()
    signed, permit, answer = answered(world)
    permit_id = permit_claims(permit)["permit_id"]
    assert mailbox.take_outcome(permit_id, answer, world.register, NOW) == {"refused": {"reason": "permit_unknown"}}
    assert mailbox.await_outcome(permit, signed) == permit_id
    forged = {**answer, "signature": text(b"\x00" * 64)}
    for wrong, reason in (
        (forged, "outcome_signature"),
        ({**answer, "sealed": None}, "payload_missing"),
        ({**answer, "sealed": text(b"x")}, "payload_tampered"),
        ({**answer, "outcome": "?"}, "outcome_malformed"),
        (answered(world)[2], "outcome_of_another_inquiry"),
    ):
        assert mailbox.take_outcome(permit_id, wrong, world.register, NOW) == {"refused": {"reason": reason}}
    assert mailbox.outcomes == {}
    assert mailbox.take_outcome(permit_id, answer, world.register, NOW) == {"received": True}
    payload = read_answer(world.register, mailbox.outcomes[permit_id], permit, signed, NOW)
    assert payload["records"][0]["items"] == {"被保険者番号": {"value": "92295831"}}
    assert mailbox.take_outcome(permit_id, forged, world.register, NOW) == {"received": True}
    assert mailbox.outcomes == {permit_id: answer}


def test_that_it_is_still_held_is_received_and_ends_nothing():
    world, mailbox = World(held=True), Mailbox()
    signed, permit, answer = answered(world)
    permit_id = mailbox.await_outcome(permit, signed)
    assert mailbox.take_outcome(permit_id, answer, world.register, NOW) == {"received": True}
    assert mailbox.outcomes == {}


def test_what_was_held_and_is_released_is_the_answer_from_then_on():
    world = World(held=True)
    signed, permit, item = world.asked()
    provider, permit_id = world.provider(), permit_claims(permit)["permit_id"]
    assert disposition(provider.answer(item, NOW)) == ("held", None)
    released = provider.release(permit_id, NOW)
    payload = read_answer(world.register, released, permit, signed, NOW)
    assert payload["records"][0]["items"] == {"被保険者番号": {"value": "92295831"}}
    assert provider.answer(item, NOW) == released
    with pytest.raises(KeyError):
        provider.release(permit_id, NOW)


def test_nothing_that_was_held_leaves_after_the_deadline():
    world = World(held=True)
    _, permit, item = world.asked()
    provider = world.provider()
    provider.answer(item, NOW)
    late = provider.release(permit_claims(permit)["permit_id"], NOW + 2 * DEFAULT_LIFE)
    assert disposition(late) == ("refused", "permit_expired")
    assert late["sealed"] is None


def disposition(answer) -> tuple[str, str | None]:
    said = canonical.decode(octets(answer["outcome"]))
    return said["disposition"], said["reason"]


@pytest.mark.parametrize("name", ["inquirer", "inquiry_number", "items", "answer_by", "list_digest"])
def test_a_permit_that_lacks_what_every_permit_says_is_no_permit(name):
    world = World()
    _, permit, item = world.asked()
    claims = permit_claims(permit)
    del claims[name]
    bent = {**item, "permit": signed_claims(claims, world.core)}
    assert world.provider().answer(bent, NOW) == {"refused": {"reason": "permit_signature"}}
    with pytest.raises(MessageBrokenError):
        permit_claims(bent["permit"])


def signed_claims(claims: dict[str, Any], core: Signer) -> str:

    def part(data: bytes) -> str:
        return base64.urlsafe_b64encode(data).decode().rstrip("=")

    over = f"{part(canonical.encode({'alg': 'Ed25519', 'typ': 'sekisho-permit'}))}.{part(canonical.encode(claims))}"
    return f"{over}.{part(core.sign_raw(over.encode()))}"


def reason(world: World, **claims) -> str | None:

    found = canonical.decode(octets(world.provider().answer(world.asked(**claims)[2], NOW)["outcome"]))
    return found["reason"]


def on_file(since: datetime = NOW) -> tuple[Delegation, ...]:
    return (
        Delegation(
            delegator="third", delegate="asker", side=Side.INQUIRER, valid_from=since.date(), valid_to=None, information=frozenset()
        ),
    )  # fmt: skip


def test_an_inquiry_in_anothers_stead_is_answered_when_the_delegation_is_on_file_and_judged_by_who_has_delegated():
    asked: list[tuple[str, str]] = []
    said = {"inquirer_for": "third"}

    def permitted(claims):
        asked.append(parties(claims))
        return True

    assert reason(World(said=said)) == "delegation_not_on_file"
    assert reason(World(said=said, delegations=on_file(), permitted=permitted)) is None
    assert asked == [("third", "giver")]
    assert reason(World(said={"provider_for": "third"}, delegations=on_file())) == "delegation_not_on_file"
    assert reason(World(said={"provider_for": "nobody"}, delegations=on_file())) == "delegation_not_on_file"


def test_a_permit_that_says_more_than_the_inquirer_signed_is_refused():
    assert reason(World(delegations=on_file()), inquirer_for="third") == "permit_request_differs"
    assert reason(World(), non_disclosure=True) == "permit_request_differs"
