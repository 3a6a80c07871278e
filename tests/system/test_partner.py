"""An agency's engineer connects a server of their own: keys that stay there, an inquiry, an answer, and a conformance run that names every wrong."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket

import pytest

from gateway.__main__ import main as sekisho
from gateway.conformance import by_list, checks, delegated, taking
from gateway.conformance.turns import TURNS
from gateway.demonstration.stage import WARD
from gateway.exit_codes import BAD_INPUT, FAILED, OK
from gateway.key_rotation import await_register
from gateway.setting_up.ports import untaken
from partner.calling import NotYetError
from partner.connection import CodeRefusedError, Connection
from partner.example import ask
from partner.mailbox import Mailbox
from partner.messages import envelope
from partner.providing import Provider
from partner.serving import application, serving
from synthetic.business import MEDICAL_INSURANCE
from tests.support.partner_world import (
    HOST,
    NETWORK,
    conformance,
    number_given_out,
    partner_server,
    run_against,
    run_example,
)
from tests.support.running_system import RESIDENTS
from tests.support.wrong_providers import (
    AnswersAnew,
    BelievesAnyPermit,
    BindsOnce,
    GivesEmptyRecords,
    GivesEverything,
    JudgesByTheDelegate,
    LooksAtNoProvider,
    LooksAtTheItemAlone,
    MakesReasonsUp,
    ReleasesBarred,
    SealsToAnotherKey,
    SignsWithAnotherLabel,
    TakesAnything,
    TellsInClear,
    forgetting,
)
from transport.channel import ChannelError, post

QUESTION = {
    "provider": WARD,
    "basis": "beppyo2-2022",
    "item": "3",
    "information": MEDICAL_INSURANCE,
    "items": ["被保険者番号"],
}


def test_everybody_finds_the_network_where_it_listens(world, connection):
    assert connection.network.startswith(f"https://{NETWORK}:")
    assert connection.resident_network.startswith("https://localhost:")
    assert world[0].running.role("intermediate").peers["core"] == connection.network == world[0].running.url("network")
    assert world[0].running.role("network").peers["intermediate/partner"] == f"https://{HOST}:{world[2]}"
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(connection.network.rpartition(":")[2])))


def test_a_partner_asks_the_ward_with_keys_that_nobody_else_has(world, connection, clock):
    person = {"individual_number": world[0].insured[0].individual_number}
    [ended] = asyncio.run(ask(connection, person, QUESTION, clock))
    assert (ended.state, ended.reason) == ("answered", None)
    payload = ended.payload
    assert payload["kind"] == "answered"
    assert {name for record in payload["records"] for name in record["items"]} == {"被保険者番号"}


def test_a_passing_trouble_is_told_from_a_no_and_a_code_is_asked_for_again(world, connection, clock):
    """The network does not reach our server at first: the reason is named, the same number again brings the code once the server is there."""
    system, _, port = world
    known, mailbox = system.insured[0].individual_number, Mailbox()
    number = mailbox.new_number("one question", clock())

    async def trouble_that_passes() -> None:
        with pytest.raises(NotYetError) as passing:
            await connection.ask_for_code(number, known, patience_s=1)
        assert passing.value.reason in {"peer_unreachable", "circuit_open"}
        assert passing.value.reason in str(passing.value)
        asking = asyncio.create_task(connection.ask_for_code(number, known))
        await asyncio.sleep(0.5)
        assert not asking.done()
        app = application(connection.register, mailbox, None, "partner", clock)
        async with serving(app, connection.identity("server"), host=HOST, port=port):
            await asking
            assert await mailbox.code(number)
            with pytest.raises(CodeRefusedError, match="acquisition_number_unknown"):
                await connection.ask_for_code(Mailbox().new_number("one question", clock()), known)

    asyncio.run(trouble_that_passes())


@pytest.mark.parametrize(
    ("number", "network", "code", "told"),
    [
        ("000000000000", None, 3, "number_"),
        (None, "https://127.0.0.1:1", 4, "peer_unreachable"),
        ("not read", None, 2, "people.json"),
    ],
    ids=["no code", "no network", "bad file"],
)
def test_the_example_says_in_words_why_it_does_not_go_on(world, tmp_path, number, network, code, told):
    """Nothing of it is a traceback: an engineer reads what the matter is, and whether to try again."""
    system, own, _ = world
    given = shutil.copytree(system.running.data.clients / "partner", tmp_path / "given")
    there = json.loads((given / "network.json").read_bytes())
    (given / "network.json").write_text(json.dumps(there | ({} if network is None else {"network": network})))
    people, question = tmp_path / "people.json", tmp_path / "question.json"
    people.write_text("{" if number == "not read" else json.dumps([{"individual_number": number}]))
    question.write_text(json.dumps(QUESTION))
    ended = run_example("ask", own, given, people, question)
    assert ended.returncode == code
    assert told in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_partner_far_away_gets_the_newer_register_from_the_network(world, connection, tmp_path):
    """Nobody hands it a file; and the network gives what it has to those alone who are registered."""
    system, own, _ = world
    given = shutil.copytree(system.running.data.clients / "partner", tmp_path / "given")
    far = Connection.read(own, given)
    words = [
        "certificate",
        "partner",
        "--csr",
        own / "linkage.csr.pem",
        "--use",
        "linkage",
        "--out",
        tmp_path / "more.pem",
    ]
    assert sekisho(["agency", *map(str, words), "--data", str(system.running.data.root)]) == OK
    newest = system.running.role("network").register.sequence
    # from now on the partner shows the new certificate, in the tests behind this one too
    await_register(system.running.data, newest)
    assert far.register().sequence == newest - 1

    async def renew() -> None:
        async with far.asking() as asker:
            for _ in range(50):
                looked = await far.renew_register(asker)
                if looked.sequence == newest:
                    break
                await asyncio.sleep(0.1)
            assert await asker.register(newest) is None

    asyncio.run(renew())
    assert far.register().sequence == Connection.read(own, given).register().sequence == newest


def test_the_example_makes_keys_once_and_says_how_it_is_used(world):
    made = run_example("keys", world[1], "partner", "9999000000000102", "架空市健康保険組合", HOST, world[2])
    assert made.returncode != 0
    assert run_example("what").returncode == 2


def test_our_own_server_conforms(world, tmp_path, capsys):
    url = f"{world[0].running.url('intermediate')}/{WARD}"
    pending = asyncio.run(number_given_out(world[0]))
    code, found = conformance(world, url, tmp_path, capsys, pending=pending)
    assert {check: saw for check, saw in found.items() if saw is not None} == {}
    assert code == OK
    assert set(found) == EVERY


def test_the_table_for_people_tells_each_step(world, tmp_path, capsys):
    people = tmp_path / "people.json"
    people.write_text(json.dumps({"known": world[0].insured[0].individual_number}))
    url = f"{world[0].running.url('intermediate')}/{WARD}"
    words = ["conformance", url, "--people", str(people), "--data", str(world[0].running.data.root)]
    assert sekisho(words) == OK
    shown = capsys.readouterr().out
    assert "permit_replayed" in shown
    assert "IF_TKY_90003" in shown
    assert world[0].insured[0].individual_number not in shown


def test_a_server_made_of_the_library_conforms(world, connection, clock, tmp_path, capsys):
    code, found = run_against(world, connection, clock, Provider, tmp_path, capsys)
    assert {check: saw for check, saw in found.items() if saw is not None} == {}
    assert code == OK
    assert set(found) == EVERY


EVERY = {check.id for check in (*checks.CHECKS, *by_list.CHECKS, *delegated.CHECKS, *taking.CHECKS)}
"""Of a run that awaits nothing late, against an agency that is assessed."""
COLUMNS = {check.id for check in by_list.CHECKS}
SIGNED_REFUSALS = {
    "permit_replayed", "permit_expired", "deadline_not_signed", "permit_other_party", "inquirer_signature", "permit_request_differs",
    "permit_key_differs", "permit_other_person", "list_digest_unknown", "not_permitted", "inquirer_delegation_not_on_file",
    "provider_delegation_not_on_file", *COLUMNS,
}  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (forgetting("permit_other_party"), {"permit_other_party", "in_order"}),
        (forgetting("inquirer_signature"), {"inquirer_signature"}),
        (forgetting("permit_request_differs"), {"permit_request_differs", "deadline_not_signed"}),
        (forgetting("permit_key_differs"), {"permit_key_differs"}),
        (forgetting("permit_other_person"), {"permit_other_person"}),
        (forgetting("permit_expired"), {"permit_expired"}),
        (forgetting("list_digest_unknown"), {"list_digest_unknown"}),
        (forgetting("not_permitted"), {"not_permitted", *COLUMNS}),
        (LooksAtTheItemAlone, COLUMNS),
        (LooksAtNoProvider, {"list_provider"}),
        (AnswersAnew, {"same_again"}),
        (GivesEverything, {"exactly_asked"}),
        (GivesEmptyRecords, {"provided", "exactly_asked"}),
        (SealsToAnotherKey, {"provided", "exactly_asked", "unknown_person"}),
        (SignsWithAnotherLabel, {"provided", "in_order", "unknown_person", "barred", "delegated", *SIGNED_REFUSALS}),
        (forgetting("delegation_not_on_file"), {"inquirer_delegation_not_on_file", "provider_delegation_not_on_file"}),
        (JudgesByTheDelegate, {"delegated"}),
        (MakesReasonsUp, {"permit_signature", "permit_tampered", *SIGNED_REFUSALS}),
        (TellsInClear, {"unknown_person"}),
        (ReleasesBarred, {"barred"}),
        (BelievesAnyPermit, {"permit_signature", "permit_tampered"}),
    ],
    ids=lambda one: getattr(one, "__name__", ""),
)
def test_each_wrong_of_a_wrong_server_is_found_by_name(world, connection, clock, tmp_path, capsys, kind, expected):
    code, found = run_against(world, connection, clock, kind, tmp_path, capsys)
    assert {check for check, saw in found.items() if saw is not None} == expected
    assert code == FAILED


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        (TakesAnything, {"code_unknown", "code_malformed", "code_differs", "outcome_unknown"}),
        (BindsOnce, {"code_bound"}),
    ],
)
def test_a_server_that_takes_what_it_does_not_await_is_found_by_name(
    world, connection, clock, tmp_path, capsys, box, expected
):
    code, found = run_against(world, connection, clock, Provider, tmp_path, capsys, box)
    assert {check for check, saw in found.items() if saw is not None} == expected
    assert code == FAILED


def test_a_server_that_is_not_there_fails_every_step_and_ends_nothing_else(world, tmp_path, capsys):
    code, found = conformance(world, f"https://{HOST}:{untaken(1)[0]}/partner", tmp_path, capsys)
    assert code == FAILED
    assert {"mutual_tls", "provided", "permit_expired"} <= {check for check, saw in found.items() if saw}


def test_a_run_that_cannot_begin_says_why(world, tmp_path, capsys):
    url = f"{world[0].running.url('intermediate')}/{WARD}"
    assert conformance(world, url.replace(WARD, "nobody"), tmp_path, capsys)[0] == BAD_INPUT
    assert conformance(world, url, tmp_path, capsys, known="123456789018")[0] == BAD_INPUT
    assert conformance(world, url, tmp_path, capsys, someone="1")[0] == BAD_INPUT


def test_the_partners_server_lets_nobody_in_but_the_network(world, connection, clock):
    async def as_another() -> None:
        async with partner_server(world, connection, clock), connection.asking() as asker:
            await post(asker.client, f"https://{HOST}:{world[2]}/partner/codes", envelope([]), timeout_s=10)

    with pytest.raises(ChannelError, match="not_for_this_caller"):
        asyncio.run(as_another())


async def until_it_ends(system, answer) -> str:
    """The state of an inquiry when what may come late has come: one of those that are held never ends."""
    for _ in range(30):
        if answer["state"] != "held":
            break
        await asyncio.sleep(0.2)
        answer = await system.look(RESIDENTS, answer["inquiry_number"])
    return answer["state"]


async def asked_by_the_ward(system, ends) -> None:
    """As many inquiries as a run has, by our own server, and how it ended them."""
    question = system.from_the_ward(system.insured[0], items=["口座番号"])
    answers = await asyncio.gather(*(system.ask(RESIDENTS, question, wait_ms=0) for _ in TURNS))
    lines = [{"inquiry_number": one["inquiry_number"], "state": await until_it_ends(system, one)} for one in answers]
    ends.with_suffix(".part").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    ends.with_suffix(".part").replace(ends)


OF_OUR_CLOCK = {"list_versions", "list_version_forged", "code_epochs", "code_epoch_settled", "code_renewals"}
"""What our own server calls by itself. Its register comes by file, and its permits are not taken back by it."""


def test_our_own_server_asks_as_documented(world, tmp_path, capsys):
    """Its network is the played one for so long."""
    system, port, ends = world[0], untaken(1)[0], tmp_path / "ends.ndjson"
    file = system.running.data.role("intermediate") / "role.json"
    own = file.read_text(encoding="utf-8")
    peers = dict.fromkeys(("core", "interface"), f"https://{NETWORK}:{port}")
    words = [
        "conformance",
        "--inquirer",
        WARD,
        "--port",
        str(port),
        "--ends",
        str(ends),
        "--settle",
        "3",
        "--for",
        "90",
    ]
    stored = json.loads(own)
    stored["peers"] |= peers
    stored["options"] |= {"list_poll_s": 1, "code_epochs_poll_s": 1}

    async def both() -> int:
        run = asyncio.create_task(
            asyncio.to_thread(sekisho, [*words, "--json", "--data", str(system.running.data.root)])
        )
        await asked_by_the_ward(system, ends)
        return await run

    try:
        file.write_text(json.dumps(stored), encoding="utf-8")
        system.running.stop_role("intermediate")
        system.running.restart("intermediate")
        capsys.readouterr()
        code = asyncio.run(both())
    finally:
        file.write_text(own, encoding="utf-8")
        system.running.stop_role("intermediate")
        system.running.restart("intermediate")
    judged = [one for one in json.loads(capsys.readouterr().out) if "not_judged" not in one]
    found = {one["check"]: one["saw"] for one in judged if one["right"] is not True}
    assert found == {}
    assert {one["check"] for one in judged} >= OF_OUR_CLOCK
    assert code == OK
