"""`sekisho conformance URL --late`: what a provider held and its staff released is delivered as documented, or the run says what is wrong; and runs again."""

from __future__ import annotations

import asyncio
import json
from contextlib import contextmanager, suppress
from dataclasses import replace

import pytest

from gateway.__main__ import main as sekisho
from gateway.conformance import late
from gateway.demonstration.stage import WARD
from gateway.exit_codes import BAD_INPUT, FAILED, OK
from gateway.setting_up.ports import untaken
from partner.messages import exchange_digest, permit_claims
from partner.providing import Provider
from tests.support.partner_world import NETWORK, conformance, number_given_out, run_against
from tests.support.wrong_providers import GivesEverything
from transport.channel import ChannelError

LATE = {check.id for check in late.CHECKS}


class Staff:
    """Releases whatever is held, and delivers it as the documents say: again in the same bytes until it is received."""

    def __init__(self, connection, clock, port: int) -> None:
        self.connection, self.clock, self.port = connection, clock, port

    def released(self, provider: Provider, permit_id: str, before):
        """What is delivered. `before`: what was delivered last time."""
        return before or provider.release(permit_id, self.clock())

    def is_through(self, answer) -> bool:
        return "retry" not in answer

    async def __call__(self, provider: Provider) -> None:
        waiting = {}
        async with self.connection.asking() as asker:
            network = replace(asker, interface=f"https://{NETWORK}:{self.port}")
            while True:
                waiting |= {one: None for one in provider.held if one not in waiting}
                for one, before in list(waiting.items()):
                    waiting[one] = self.released(provider, one, before)
                    with suppress(ChannelError):
                        if self.is_through(await network.late_outcome(one, waiting[one])):
                            del waiting[one]
                await asyncio.sleep(0.1)


class DeliversOnce(Staff):
    def is_through(self, answer) -> bool:
        return True


class SealsAnew(Staff):
    """Each time other bytes."""

    def released(self, provider, permit_id, before):
        if before is None:
            self.item = provider.held[permit_id]
        provider.held[permit_id] = self.item
        return provider.release(permit_id, self.clock())


class SaysHeldYet(Staff):
    def released(self, provider, permit_id, before):
        item = provider.held[permit_id]
        return provider.answer(item, self.clock())


class ReleasesNothing(Staff):
    async def __call__(self, provider) -> None:
        return


class ReleasesEverything(GivesEverything):
    """What is released is the whole record too."""

    def release(self, permit_id, now):
        item, look = self.held.pop(permit_id), self.look
        self.look = lambda code, information: replace(look(code, information), held=False)
        try:
            return self._provide(item, permit_claims(item["permit"]), exchange_digest(item), now)
        finally:
            self.look = look


def run_late(world, connection, clock, tmp_path, capsys, *, staff=Staff, kind=Provider, seconds="20"):
    port = untaken(1)[0]
    options = ("--late", "--port", str(port), "--for", seconds)
    return run_against(
        world, connection, clock, kind, tmp_path, capsys, staff=staff(connection, clock, port), options=options
    )


def test_a_server_made_of_the_library_delivers_what_it_released(world, connection, clock, tmp_path, capsys):
    code, found = run_late(world, connection, clock, tmp_path, capsys)
    assert {check: saw for check, saw in found.items() if saw is not None} == {}
    assert set(found) >= LATE
    assert code == OK


@pytest.mark.parametrize(
    ("staff", "kind", "wrong"),
    [
        (ReleasesNothing, Provider, LATE),
        (DeliversOnce, Provider, {"late_outcome_again"}),
        (SealsAnew, Provider, {"late_outcome_again"}),
        (SaysHeldYet, Provider, {"late_outcome"}),
        (Staff, ReleasesEverything, {"exactly_asked", "late_outcome"}),
    ],
    ids=lambda one: getattr(one, "__name__", ""),
)
def test_each_wrong_of_a_late_delivery_is_found_by_name(world, connection, clock, tmp_path, capsys, staff, kind, wrong):
    code, found = run_late(world, connection, clock, tmp_path, capsys, staff=staff, kind=kind, seconds="4")
    assert {check for check, saw in found.items() if saw is not None} == wrong
    assert code == FAILED


@contextmanager
def interface_at(running, port: int):
    """The ward's server has the run for its interface system so long."""
    file = running.data.role("intermediate") / "role.json"
    own = file.read_text(encoding="utf-8")
    stored = json.loads(own)
    stored["peers"] |= dict.fromkeys(("core", "interface"), f"https://{NETWORK}:{port}")
    try:
        file.write_text(json.dumps(stored), encoding="utf-8")
        running.stop_role("intermediate")
        running.restart("intermediate")
        yield
    finally:
        file.write_text(own, encoding="utf-8")
        running.stop_role("intermediate")
        running.restart("intermediate")


async def releasing(system) -> None:
    """Two members of the ward's staff release whatever is held."""
    while True:
        async with system.provider_staff(WARD) as staff:
            held = await staff.items(f"/{WARD}/held-provisions", [])
        for one in held:
            await system.decide(WARD, one, approve=True)
        await asyncio.sleep(0.3)


def test_our_own_server_delivers_what_its_staff_released(world, tmp_path, capsys):
    system, port = world[0], untaken(1)[0]
    pending = asyncio.run(number_given_out(system))
    options = ("--late", "--port", str(port), "--for", "40")

    async def both():
        async with asyncio.TaskGroup() as tasks:
            staff = tasks.create_task(releasing(system))
            url = f"{system.running.url('intermediate')}/{WARD}"
            found = await asyncio.to_thread(conformance, world, url, tmp_path, capsys, options, pending=pending)
            staff.cancel()
            return found

    with interface_at(system.running, port):
        code, found = asyncio.run(both())
    assert {check: saw for check, saw in found.items() if saw is not None} == {}
    assert set(found) >= LATE
    assert code == OK


def test_a_second_run_with_the_same_people_sees_the_same(world, tmp_path, capsys):
    """The number that waits has brought its code by then: the same code comes again."""
    url = f"{world[0].running.url('intermediate')}/{WARD}"
    pending = asyncio.run(number_given_out(world[0], 8))
    runs = [conformance(world, url, tmp_path, capsys, pending=pending) for _ in range(2)]
    assert [{check: saw for check, saw in found.items() if saw is not None} for _, found in runs] == [{}, {}]
    assert [code for code, _ in runs] == [OK, OK]


def test_what_comes_late_is_awaited_of_a_provider_alone(world, capsys):
    words = ["conformance", "--inquirer", WARD, "--late", "--data", str(world[0].running.data.root)]
    assert sekisho(words) == BAD_INPUT
    assert "--late" in capsys.readouterr().err
