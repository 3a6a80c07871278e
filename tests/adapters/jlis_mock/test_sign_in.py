"""Sessions at the portal are over at their time, by a clock that is an argument (JTK)."""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime, timedelta

import pytest

from adapters.jlis_mock.portal.sign_in import CODE_FOR, TICKET, TICKET_FOR, Asked, SignIns
from codebook.identifiers import IntegratedAddresseeNumber
from codebook.issuing import issue
from keys import labels
from keys.masked import Secret
from keys.ring import Keyring
from keys.signing import Signer, generate_seed
from transport.problem import ProblemError

NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
VERIFIER = "v" * 43
ASKED = Asked(
    client_id="app",
    redirect_uri="http://127.0.0.1/callback",
    state="s",
    challenge=base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode(),
)
SESSION, IDLE = timedelta(minutes=30), timedelta(minutes=10)
CARD = Signer(generate_seed())


@pytest.fixture
def desk() -> SignIns:
    ring = Keyring.new()
    ring.create(TICKET)
    clients = {"app": frozenset({ASKED.redirect_uri}), "other": frozenset({ASKED.redirect_uri})}
    return SignIns(clients=clients, ring=ring, session_for=SESSION, idle_for=IDLE)


def somebody() -> IntegratedAddresseeNumber:
    return issue(Secret(b"k" * 32), 1)


def shown(desk: SignIns, ticket: str, now: datetime) -> Asked:
    signature = CARD.sign(labels.CITIZEN_SIGN_IN, ASKED.signed_with(ticket))
    return desk.opened(ticket, CARD.public_key, signature, now)


def form(code: str, **changes: str) -> dict[str, str]:
    given = {"code": code, "client_id": "app", "redirect_uri": ASKED.redirect_uri, "code_verifier": VERIFIER}
    return {**given, **changes}


def code_at(desk: SignIns, now: datetime) -> str:
    ticket = desk.begin(ASKED, now)
    return desk.grant(ticket, shown(desk, ticket, now), somebody(), now)


def token_at(desk: SignIns, now: datetime) -> str:
    token = desk.redeem(form(code_at(desk, now)), now)
    assert token is not None
    return token


def test_a_session_ends_at_its_time_and_when_nobody_uses_it(desk: SignIns) -> None:
    idle, used = token_at(desk, NOW), token_at(desk, NOW)
    for minutes in (9, 18, 27):
        assert desk.session(used, NOW + timedelta(minutes=minutes)) is not None
    assert desk.session(idle, NOW + IDLE) is None
    assert desk.session(used, NOW + SESSION) is None


def test_tickets_and_codes_are_over_at_their_time(desk: SignIns) -> None:
    ticket, code = desk.begin(ASKED, NOW), code_at(desk, NOW)

    with pytest.raises(ProblemError, match="ticket_unknown"):
        shown(desk, ticket, NOW + TICKET_FOR)
    assert desk.redeem(form(code), NOW + CODE_FOR) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": "other"},
        {"redirect_uri": "http://127.0.0.1/evil"},
        {"code_verifier": "w" * 43},
        {"code_verifier": ""},
        {"code_verifier": ASKED.challenge},
    ],
    ids=str,
)
def test_a_code_is_its_client_s_at_its_address_with_its_verifier(desk: SignIns, changes: dict[str, str]) -> None:
    code = code_at(desk, NOW)

    assert desk.redeem(form(code, **changes), NOW) is None
    assert desk.redeem(form(code), NOW) is None


def test_what_is_over_is_forgotten_and_what_lives_is_not(desk: SignIns) -> None:
    token = token_at(desk, NOW)
    desk.sweep(NOW + IDLE - timedelta(seconds=1))
    assert desk.session(token, NOW + IDLE - timedelta(seconds=1)) is not None

    desk.sweep(NOW + SESSION + TICKET_FOR)
    assert (desk._spent, desk._grants, desk._sessions) == ({}, {}, {})


def test_a_code_that_comes_again_late_still_ends_the_session(desk: SignIns) -> None:
    code = code_at(desk, NOW)
    token = desk.redeem(form(code), NOW)
    later = NOW + timedelta(minutes=5)
    desk.sweep(later)

    assert token is not None
    assert desk.redeem(form(code), later) is None
    assert desk.session(token, later) is None
