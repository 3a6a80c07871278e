"""28条: an agency whose assessment duty is not met provides nothing, and a conformance run tells a server that does (PL-6, SC-28)."""

from __future__ import annotations

import asyncio
import json

import pytest

from gateway.__main__ import main as sekisho
from gateway.conformance import by_list, checks, taking
from gateway.conformance.turns import TURNS
from gateway.demonstration.stage import WARD
from gateway.exit_codes import FAILED, OK
from partner.example import ask
from partner.inquiring import ends_line
from partner.providing import Provider
from storage import durable_file
from tests.support.partner_world import NETWORK, conformance, connected, free_port, number_given_out, run_against
from tests.support.wrong_providers import forgetting
from tests.system.test_partner import QUESTION

OF_UNASSESSED = {check.id for check in (*checks.DOOR, by_list.OWN_ASSESSMENT, *taking.CHECKS)}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Ward and partner are not assessed; a neighbour that is may ask."""
    with connected(tmp_path_factory.mktemp("unassessed"), assessed=False) as found:
        yield found


def test_our_own_server_provides_nothing_while_it_is_not_assessed(world, tmp_path, capsys):
    url = f"{world[0].running.url('intermediate')}/{WARD}"
    pending = asyncio.run(number_given_out(world[0]))
    code, found = conformance(world, url, tmp_path, capsys, pending=pending)
    assert {check: saw for check, saw in found.items() if saw is not None} == {}
    assert set(found) == OF_UNASSESSED
    assert code == OK


def test_a_server_made_of_the_library_provides_nothing_while_it_is_not_assessed(
    world, connection, clock, tmp_path, capsys
):
    code, found = run_against(world, connection, clock, Provider, tmp_path, capsys)
    assert {check: saw for check, saw in found.items() if saw is not None} == {}
    assert set(found) == OF_UNASSESSED
    assert code == OK


def test_a_server_that_provides_though_it_is_not_assessed_is_told_by_name(world, connection, clock, tmp_path, capsys):
    code, found = run_against(world, connection, clock, forgetting("not_permitted"), tmp_path, capsys)
    assert {check for check, saw in found.items() if saw is not None} == {"own_assessment"}
    assert code == FAILED


def test_an_inquirer_that_asks_though_it_is_not_assessed_is_told_by_name(world, connection, clock, tmp_path, capsys):
    """The library leaves the list to its server; this one has none."""
    port, ends = free_port(), tmp_path / "ends.ndjson"
    words = ["conformance", "--inquirer", "partner", "--port", str(port), "--ends", str(ends), "--settle", "1"]
    person = {"individual_number": world[0].insured[0].individual_number}

    async def both() -> int:
        data = ("--data", str(world[0].running.data.root))
        run = asyncio.create_task(asyncio.to_thread(sekisho, [*words, "--for", "60", "--json", *data]))
        found = await ask(connection, person, QUESTION, clock, count=len(TURNS), at=f"{NETWORK}:{port}")
        durable_file.write(ends, "".join(map(ends_line, found)).encode())
        return await run

    capsys.readouterr()
    code = asyncio.run(both())
    found = {one["check"]: one["right"] for one in json.loads(capsys.readouterr().out)}
    assert (found["own_assessment"], found["own_list"]) == (False, True)
    assert code == FAILED
