"""The ward at work, a partner with a server of its own beside it, and conformance runs against either."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from contextlib import asynccontextmanager, contextmanager

from codebook.issuing import issue
from gateway.__main__ import main as sekisho
from gateway.data_folder import held
from gateway.demonstration.run import DEMO_DAY
from gateway.demonstration.stage import WARD
from gateway.exit_codes import OK
from gateway.launcher import ROOT, Running
from gateway.own_topology import read as own_topology
from gateway.setting_up.ports import untaken
from gateway.topology import parse, shipped_text
from keys.masked import Secret
from partner.connection import Connection
from partner.mailbox import Mailbox
from partner.messages import envelope
from partner.providing import Found, Provider
from partner.serving import application, serving
from storage.postgres import discard
from synthetic.business import MEDICAL_INSURANCE
from tests.support.running_system import INSURANCE, RESIDENTS, System
from transport.channel import post, session
from transport.clock import Clock
from transport.tls import client_context

ROLES = ("linkage", "intermediate", "network", "resident-network")
NETWORK, HOST = "127.0.0.2", "127.0.0.3"
"""Where the network listens, and where the partner's own server does: each stands for a machine of its own."""
ITEMS = {"保険者番号": {"value": "99999999"}, "被保険者番号": {"value": "92295831"}}


def run_example(*words: object) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "partner.example", *map(str, words)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@contextmanager
def connected(root, *, assessed: bool = True):
    """The ward at work, and a partner with keys of its own that the operator has taken in and certified. `assessed`: whether these two are (28条)."""
    own, data, port = root / "own", root / "data", untaken(1)[0]
    made = run_example("keys", own, "partner", "9999000000000102", "架空市健康保険組合", HOST, port)
    assert made.returncode == 0, made.stderr
    options = {role: {"continuous_codes": False} for role in ROLES}
    standing = shipped_text().replace("network: {program: network,", f"network: {{program: network, listen: {NETWORK},")
    standing = standing.replace("program: resident-network,", "program: resident-network, reached_at: localhost,")
    standing = standing.replace("name: 東京都知事,", "name: 東京都知事, assessed: false,")
    if not assessed:
        standing = standing.replace("    name: 世田谷区長\n", "    name: 世田谷区長\n    assessed: false\n")
        file = own / "agency.yaml"
        file.write_text(file.read_text().replace("  elsewhere:", "  assessed: false\n  elsewhere:"))
    first = Running(
        data,
        roles=(),
        ports="free",
        key_profile="cheapest",
        durable=False,
        topology=parse(standing),
        own=standing.encode(),
    )
    with held(first.data.root):
        first.set_up()
        first.stop()
    assert sekisho(["agency", "add", str(own / "agency.yaml"), "--data", str(data)]) == OK
    topology = own_topology(first.data)
    with Running(
        data,
        roles=ROLES,
        ports="kept",
        key_profile="cheapest",
        durable=False,
        options=options,
        topology=topology,
        clock=DEMO_DAY,
    ) as running:
        system = System(running=running)
        asyncio.run(people(system))
        yield system, own, port
    discard(data)


async def people(system: System) -> None:
    """insured[0]: with records. [1]: barred at the ward."""
    cast = system.insured[:2]
    await system.populate(cast)
    for each in (RESIDENTS, INSURANCE):
        await system.register(each, cast)
    await system.obtain_codes(RESIDENTS)
    records = [*system.insurance(cast[0]), *system.insurance(cast[1], barred=True)]
    await system.load_records(INSURANCE, records, "base.ndjson")


class Known:
    """What the partner knows: the code of one person with records, one barred."""

    def __init__(self) -> None:
        self.people: dict[bytes, Found] = {}

    def look(self, code: bytes, information: str) -> Found | None:
        return self.people.get(code) if information == MEDICAL_INSURANCE else None


@asynccontextmanager
async def partner_server(
    world,
    connection: Connection,
    clock: Clock,
    kind: type[Provider] = Provider,
    box: type[Mailbox] = Mailbox,
    staff=None,
):
    """The partner's server at work, with codes of both people that it obtained as every agency does; yields what it awaits.

    `staff`: what releases what is held meanwhile, of the provider.
    """
    system, _, port = world
    known, mailbox = Known(), box()
    listed = connection.list_in_force(clock())
    provider = kind(
        agency="partner",
        signer=connection.signer,
        register=connection.register,
        lists=frozenset({listed.digest}),
        permitted=lambda claims: listed.permits(claims, connection.register()),
        look=known.look,
    )
    app = application(connection.register, mailbox, provider, "partner", clock)
    async with serving(app, connection.identity("server"), host=HOST, port=port):
        for person, barred in zip(system.insured[:2], (False, True), strict=True):
            number = mailbox.new_number(f"barred: {barred}", clock())
            await connection.ask_for_code(number, person.individual_number)
            record = {"data_set": "資格情報", "version": "0001", "items": ITEMS}
            known.people[await mailbox.code(number)] = Found(records=[record], held=barred)
        if staff is None:
            yield mailbox
            return
        async with asyncio.TaskGroup() as tasks:
            releasing = tasks.create_task(staff(provider))
            yield mailbox
            releasing.cancel()


async def code_of(world, connection: Connection, clock: Clock) -> bytes:
    """The partner's code of the insured person, obtained as every agency does."""
    mailbox = Mailbox()
    app = application(connection.register, mailbox, None, "partner", clock)
    async with serving(app, connection.identity("server"), host=HOST, port=world[2]):
        number = mailbox.new_number("one question", clock())
        await connection.ask_for_code(number, world[0].insured[0].individual_number)
        return await mailbox.code(number)


def conformance(
    world, url: str, tmp_path, capsys, options: tuple[str, ...] = (), **people: str
) -> tuple[int, dict[str, str | None]]:
    """Exit code, and check → what was seen instead of the right thing."""
    system = world[0]
    known = {"known": system.insured[0].individual_number, "barred": system.insured[1].individual_number, **people}
    (tmp_path / "people.json").write_text(json.dumps(known))
    capsys.readouterr()
    words = ["conformance", url, "--people", str(tmp_path / "people.json"), "--json", *options]
    code = sekisho([*words, "--data", str(system.running.data.root)])
    shown = capsys.readouterr().out
    judged = [one for one in json.loads(shown or "[]") if "not_judged" not in one]
    return code, {one["check"]: one["saw"] for one in judged}


def run_against(world, connection, clock, kind, tmp_path, capsys, box=Mailbox, staff=None, options=()):
    async def both():
        async with partner_server(world, connection, clock, kind, box, staff) as mailbox:
            url, pending = f"https://{HOST}:{world[2]}/partner", mailbox.new_number("somebody for the run", clock())
            return await asyncio.to_thread(conformance, world, url, tmp_path, capsys, options, pending=pending)

    return asyncio.run(both())


async def number_given_out(system, nth: int = 7) -> str:
    """処理通番 of somebody for whom no code has been asked for yet, as the ward's linkage server gets one (IF_FGU_90006)."""
    own = system.running.role("linkage").hosted[WARD].identity
    body = envelope([{"integrated_number": issue(Secret(bytes(32)), nth).reveal()}])
    async with session(client_context(own, own.ca)) as client:
        url = f"{system.running.url('intermediate')}/{WARD}/acquisition-numbers"
        return json.loads(await post(client, url, body, timeout_s=10))["items"][0]["acquisition_number"]
