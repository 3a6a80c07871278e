"""An outage longer than a permit's time to be presented refuses nobody who was in time, and gives nobody else more."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from adapters.jlis_mock.dishonest import permit_claims
from adapters.jlis_mock.interface import relay
from tests.adapters.jlis_mock.surroundings import Surroundings, another_network
from tests.adapters.jlis_mock.wishes import ACCOUNT, acquire, permitted
from transport.channel import TIMEOUT_S, ChannelError, RefusedByPeerError
from transport.clock import Clock

pytestmark = pytest.mark.asyncio(loop_scope="session")
_LONG_S = 2.0
EXPIRED = {"refused": {"reason": "permit_expired"}}


@pytest.fixture
def hanging(around: Surroundings, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The agencies take very long; the network's patience is short."""
    monkeypatch.setattr(relay, "PATIENCE_S", 0.2, raising=False)
    around.neighbours.busy_s = _LONG_S
    yield
    around.neighbours.busy_s = 0.0


async def pass_redeem_by(around: Surroundings, token: str, seconds: int = 1) -> None:
    """The permit's `redeem_by` was `seconds` ago."""
    await around.sql(
        "update core.permit set redeem_by = now() - make_interval(secs => $2) where permit_id = $1",
        permit_claims(token)["permit_id"],
        float(seconds),
    )


async def last_up(around: Surroundings, *, seconds_ago: int) -> None:
    await around.sql("update core.alive set at = now() - make_interval(secs => $1)", float(seconds_ago))


async def presented_again(around: Surroundings, signed: Any, token: str) -> dict[str, Any]:
    return await around.peer("setagaya").present(token, signed)


@pytest.mark.parametrize("away", ["provider_down", "busy"])
async def test_what_was_presented_in_time_may_come_again_after_redeem_by(around: Surroundings, away: str) -> None:
    signed, token = await permitted(around)
    if away == "busy":
        around.neighbours.dispositions.append("retry")
    else:
        await around.control(provider_down=1, each=1)
    assert "retry" in await presented_again(around, signed, token)
    await pass_redeem_by(around, token)
    assert (await presented_again(around, signed, token)).keys() >= {"outcome", "sealed"}


async def test_is_7_who_asks_is_told_of_a_provider_that_hangs_before_they_take_the_network_for_away(
    around: Surroundings, hanging: None
) -> None:
    """Else the inquirer's circuit to the network opens, and nobody else is asked either."""
    signed, token = await permitted(around)
    async with asyncio.timeout(_LONG_S):
        assert await presented_again(around, signed, token) == {"retry": "provider_unreachable"}
    around.neighbours.busy_s = 0.0
    assert (await presented_again(around, signed, token)).keys() >= {"outcome", "sealed"}


async def test_is_7_who_delivers_is_told_of_an_inquirer_that_hangs_before_they_take_the_network_for_away(
    around: Surroundings, hanging: None
) -> None:
    around.neighbours.busy_s, token = 0.0, (await permitted(around))[1]
    claims = permit_claims(token)
    around.neighbours.busy_s = _LONG_S
    outcome = around.neighbours.outcome("naikaku", claims, b"", "not_provided")
    late = {"permit_id": claims["permit_id"], **outcome}
    async with asyncio.timeout(_LONG_S):
        answers = await around.items("naikaku", f"{around.url}/late-outcomes", [late])
    assert answers == [{"retry": "inquirer_unreachable"}]


async def test_is_7_the_network_waits_for_an_agency_less_long_than_is_waited_for_it() -> None:
    assert relay.PATIENCE_S < TIMEOUT_S


async def test_the_first_inquiry_is_struck_as_often_as_it_comes_and_the_next_one_is_not(around: Surroundings) -> None:
    first, permit = await permitted(around)
    await around.control(provider_down=1)
    for _ in range(3):
        assert "retry" in await presented_again(around, first, permit)
    second, another = await permitted(around)
    assert (await presented_again(around, second, another)).keys() >= {"outcome", "sealed"}
    assert "retry" in await presented_again(around, first, permit)
    await around.control(provider_down=0)
    assert (await presented_again(around, first, permit)).keys() >= {"outcome", "sealed"}


async def test_what_strikes_calls_takes_no_number_for_each_message(around: Surroundings) -> None:
    with pytest.raises(RefusedByPeerError, match="malformed_body"):
        await around.control(core_down=1, provider_down=1, each=1)
    assert (await around.control())["provider_down"] == 0


async def test_a_restarted_network_remembers_what_was_presented(around: Surroundings) -> None:
    signed, token = await permitted(around)
    await around.control(provider_down=1, each=1)
    assert "retry" in await presented_again(around, signed, token)
    await pass_redeem_by(around, token)
    async with another_network(around) as url:
        answer = await replace(around.peer("setagaya"), core=url, interface=url).present(token, signed)
    assert answer.keys() >= {"outcome", "sealed"}


async def test_a_remembered_permit_is_for_the_bytes_that_were_presented(around: Surroundings) -> None:
    signed, token = await permitted(around)
    await around.control(provider_down=1, each=1)
    await presented_again(around, signed, token)
    answer = await presented_again(around, signed.with_other_key(), token)
    assert answer == {"refused": {"reason": "permit_replayed"}}


async def test_what_was_presented_in_time_ends_at_answer_by(around: Surroundings) -> None:
    signed, token = await permitted(around)
    await around.control(provider_down=1, each=1)
    await presented_again(around, signed, token)
    await around.sql(
        "update core.permit set answer_by = now() - interval '1 second' where permit_id = $1",
        permit_claims(token)["permit_id"],
    )
    assert await presented_again(around, signed, token) == EXPIRED


async def test_a_first_presentation_after_redeem_by_is_refused(around: Surroundings) -> None:
    signed, token = await permitted(around)
    await pass_redeem_by(around, token)
    assert await presented_again(around, signed, token) == EXPIRED


async def test_the_networks_own_outage_does_not_count(around: Surroundings) -> None:
    signed, token = await permitted(around)
    await pass_redeem_by(around, token, seconds=100)
    await last_up(around, seconds_ago=200)
    assert (await presented_again(around, signed, token)).keys() >= {"outcome", "sealed"}


async def test_an_outage_gives_no_time_to_what_had_none_left(around: Surroundings) -> None:
    signed, token = await permitted(around)
    await pass_redeem_by(around, token, seconds=300)
    await last_up(around, seconds_ago=200)
    assert await presented_again(around, signed, token) == EXPIRED


async def test_an_inquiry_that_is_answered_at_once_needs_no_remembering(around: Surroundings) -> None:
    signed, token = await permitted(around)
    await presented_again(around, signed, token)
    [row] = await around.sql(
        "select presented_at, state from core.permit where permit_id = $1", permit_claims(token)["permit_id"]
    )
    assert (row["presented_at"], row["state"]) == (None, "relayed")


async def test_a_core_that_is_down_gives_nobody_an_answer_and_staff_set_it_right(around: Surroundings) -> None:
    await around.control(core_down=2)
    for _ in range(2):
        with pytest.raises(ChannelError, match="peer_unreachable"):
            await around.peer("setagaya").list_versions()
    assert await around.peer("setagaya").list_versions()
    await around.control(core_down=9)
    assert (await around.control(core_down=0))["core_down"] == 0
    assert await around.peer("setagaya").list_versions()


async def test_the_cores_own_clock_is_made_wrong_and_right_again(around: Surroundings) -> None:
    """What it does meanwhile would stand in its log for ever: nothing is asked of it here."""
    try:
        assert (await around.control(clock_skew_s=86_400))["clock_skew_s"] == 86_400
        wrong = around.core.clock() - Clock()()
    finally:
        assert (await around.control(clock_skew_s=0))["clock_skew_s"] == 0
    assert abs(wrong.total_seconds() - 86_400) < 5
    assert abs((around.core.clock() - Clock()()).total_seconds()) < 5
    with pytest.raises(RefusedByPeerError, match="malformed_body"):
        await around.control(clock_skew_s=10**12)


async def test_a_core_whose_log_is_full_permits_nothing_that_it_cannot_record(around: Surroundings) -> None:
    code = await acquire(around, "setagaya", 1)
    peer = around.peer("setagaya")
    signed = peer.build(ACCOUNT, Clock()())
    assert (await around.control(log_full=True))["log_full"] is True
    try:
        with pytest.raises(RefusedByPeerError, match="storage_unavailable"):
            await peer.ask_permit(signed, code)
    finally:
        assert (await around.control(log_full=False))["log_full"] is False
    assert "permit" in await peer.ask_permit(signed, code)
