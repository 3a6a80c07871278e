"""SC-20: whoever has the disks and the database and not the agency's people or its module has no business data; other agencies are served meanwhile.

The ward's rings lie under a security module, Suginami's are opened by two of its people; the others of the neighbours' processes are as set up.
"""

from __future__ import annotations

import asyncio
import io
import json
import signal
import stat
import sys

import pytest

from gateway.__main__ import main
from gateway.demonstration.callers import UnexpectedAnswerError
from gateway.demonstration.stage import WARD
from gateway.exit_codes import BAD_INPUT, OK, REFUSED, UNREACHABLE
from gateway.opening import LONGEST, SOCKET
from keys.masked import Secret
from storage import key_store
from storage.keepers import Derived, KeyStoreError
from tests.support.running_system import INSURANCE, RESIDENTS, System, entries, insisting, same_values, started
from tests.support.soft_hsm import soft_hsm

SUGINAMI = "suginami"
ROLES_OF = {WARD: ("linkage", "intermediate"), SUGINAMI: ("neighbours-linkage", "neighbours-intermediate")}
PEOPLE = {"tanaka": "tanaka no aikotoba", "suzuki": "suzuki no aikotoba", "sato": "sato no aikotoba"}
MARKER = "77008800"
"""被保険者番号 of the copy that is searched for."""


def keys(system, *words, lines=()):
    """`sekisho keys …` with these lines at standard input."""
    before, sys.stdin = sys.stdin, io.StringIO("".join(f"{line}\n" for line in lines))
    try:
        return main(["keys", *words, "--data", str(system.running.data.root)])
    finally:
        sys.stdin = before


def unlock(system, person, passphrase=None):
    return keys(system, "unlock", "--agency", SUGINAMI, "--person", person, lines=[passphrase or PEOPLE[person]])


@pytest.fixture(scope="module")
def system(tmp_path_factory):
    hsm = soft_hsm()
    with started(tmp_path_factory.mktemp("closed"), options={"resend_after_s": 1}) as running:
        made = System(running=running)
        asyncio.run(_filled(made))
        for role in (role for roles in ROLES_OF.values() for role in roles):
            running.stop_role(role)
        for role in ROLES_OF[WARD]:
            place = ("--role", role, "--agency", WARD)
            assert keys(made, "guard", *hsm.arguments, "--key", f"ring-{role}", *place) == OK
        people = [word for person in PEOPLE for word in ("--keeper-person", person)]
        for role in ROLES_OF[SUGINAMI]:
            place = ("--role", role, "--agency", SUGINAMI, "--profile", "cheapest")
            assert keys(made, "guard", "--by", "two_people", *people, *place, lines=PEOPLE.values()) == OK
        for roles in ROLES_OF.values():
            for role in roles:
                running.restart(role)
        yield made


async def _filled(system):
    person = system.insured[0]
    await system.populate([person])
    for each in (RESIDENTS, INSURANCE, "suginami-gyomu", "naikaku-gyomu"):
        await system.register(each, [person])
    for each in (RESIDENTS, "suginami-gyomu", "naikaku-gyomu"):
        await system.obtain_codes(each)
    records = system.insurance(person, 被保険者番号=MARKER)
    await system.load_records(INSURANCE, records, "base.ndjson")
    system.filed = records


@pytest.fixture
def closed(system):
    """Suginami's rings wait for its people."""
    for role in ROLES_OF[SUGINAMI]:
        system.running.restart(role)
    return system


async def opened_entries(system):
    return [one for one in entries(await insisting(lambda: system.export(SUGINAMI))) if one["kind"] == "keys.opened"]


async def token_refusal(system, client):
    with pytest.raises(UnexpectedAnswerError) as refused:
        async with system.stage.system(client) as caller:
            await caller.post("/v1/inquiry-results", {"items": []})
    return str(refused.value)


async def staff_answer(system, agency):
    try:
        async with system.stage.staff(
            agency, "intermediate" if agency == WARD else "neighbours-intermediate"
        ) as terminal:
            await terminal.items(f"/{agency}/held-provisions", [])
    except UnexpectedAnswerError as problem:
        return str(problem)
    return "served"


def test_sc_20_a_closed_agency_is_answered_503_and_the_others_of_the_process_are_served(closed):
    system = closed
    assert "503 keys_closed" in asyncio.run(token_refusal(system, "suginami-gyomu"))
    assert "503 keys_closed" in asyncio.run(staff_answer(system, SUGINAMI))
    assert "keys_closed" not in asyncio.run(token_refusal(system, "naikaku-gyomu"))
    assert asyncio.run(staff_answer(system, "naikaku")) == "served"


def test_sc_20_two_people_open_it_and_what_was_refused_before_is_on_record(closed, capsys):
    system = closed
    folder = system.running.data.role("neighbours-intermediate")
    assert stat.S_IMODE((folder / SOCKET).stat().st_mode) == 0o600
    assert unlock(system, "yamada", "whoever that may be") == REFUSED
    assert unlock(system, "tanaka") == OK  # alone: waits
    assert "keys_closed" in asyncio.run(token_refusal(system, "suginami-gyomu"))
    assert unlock(system, "tanaka") == REFUSED  # the same person twice
    assert "second_person_needed" in capsys.readouterr().out
    assert unlock(system, "suzuki", "not what suzuki knows") == REFUSED
    assert "shares_do_not_open" in capsys.readouterr().out
    assert unlock(system, "suzuki") == OK  # both begin again
    assert "waiting" in capsys.readouterr().out
    assert "keys_closed" in asyncio.run(token_refusal(system, "suginami-gyomu"))
    assert unlock(system, "sato") == OK
    assert capsys.readouterr().out.count("opened") == 2

    answer = asyncio.run(_asked(system))
    assert same_values(answer, system.filed)
    told = asyncio.run(opened_entries(system))[-4:]
    assert [(one["reason"], one["actor"]) for one in told] == [
        ("person_unknown", None), ("second_person_needed", "tanaka"), ("shares_do_not_open", "suzuki"), (None, None),
    ]  # fmt: skip
    assert told[-1]["facts"] == {"event": "opened", "keeper": "two_people", "people": "sato suzuki", "refused": 3}
    assert unlock(system, "tanaka") == OK
    assert "open_already" in capsys.readouterr().out


async def _asked(system):
    question = system.to_the_ward(system.insured[0])
    async with system.stage.system("suginami-gyomu") as caller:
        [answer] = await insisting(lambda: caller.inquire([question]))
    return await system.settled("suginami-gyomu", answer)


def test_a_ring_under_the_module_opens_at_the_start_and_that_is_on_record(system):
    told = [one for one in entries(asyncio.run(system.export(WARD))) if one["kind"] == "keys.opened"]
    assert told[-1]["facts"]["keeper"] == "hsm"


@pytest.mark.parametrize("side", ["before", "after"])
def test_a_role_that_dies_while_it_records_the_opening_is_closed_again(closed, side):
    system = closed
    role = "neighbours-intermediate"
    system.running.kill(role)
    system.running.restart(role, fault=f"opening.commit.keys.opened.{side}")
    before = system.running.pid(role)
    unlock(system, "tanaka")
    unlock(system, "suzuki")
    assert system.running.wait_ended(role) == -signal.SIGKILL
    system.running.restart(role)
    assert system.running.pid(role) != before
    assert "503 keys_closed" in asyncio.run(staff_answer(system, SUGINAMI))
    unlock(system, "tanaka")
    unlock(system, "suzuki")
    told = asyncio.run(opened_entries(system))
    assert len({one["id"] for one in told}) == len(told)


def test_sc_20_root_with_disk_and_database_and_no_people_and_no_module_has_no_plaintext(system):
    """Every byte of the guarded roles' folders and schemas is looked through, and everything on the disk is tried as a passphrase."""
    person = system.insured[0]
    marks = [MARKER, person.individual_number, person.name, person.kana]
    looked_for = [
        form
        for mark in marks
        for form in (mark.encode(), mark.encode().hex().encode(), json.dumps(mark)[1:-1].encode())
    ]
    data = system.running.data
    disk = {
        path: path.read_bytes()
        for roles in ROLES_OF.values()
        for role in roles
        for path in data.role(role).rglob("*")
        if path.is_file()
    }
    dump = asyncio.run(
        _dumped(system, [f"a_{agency}_{server}" for agency in ROLES_OF for server in ("linkage", "intermediate")])
    )
    assert len(dump) > 10_000
    for form in looked_for:
        assert [str(path) for path, content in disk.items() if form in content] == []
        assert form not in dump
    for agency, roles in ROLES_OF.items():
        for role in roles:
            stored = key_store.read(data.role(role) / "keys" / f"{agency}.json")
            for content in disk.values():
                for guess in {content.strip(), *content.split()} if len(content) < LONGEST else ():
                    _opens_nothing(stored, Secret(guess))


def _opens_nothing(stored, guess):
    with pytest.raises((KeyStoreError, KeyError)):
        Derived.open({"salt": "A" * 22 + "==", "profile": "cheapest", **stored}, guess)


async def _dumped(system, schemas):
    """Every row of these schemas as text, as the database's owner sees it."""
    rows = []
    async with system.administrator() as connection:
        tables = await connection.fetch(
            "select schemaname, tablename from pg_tables where schemaname = any($1)", schemas
        )
        for schema, table in tables:
            rows += [row[0] for row in await connection.fetch(f'select t::text from "{schema}"."{table}" t')]
    return "\n".join(rows).encode()


def test_set_up_and_commands_go_on_beside_a_ring_that_people_keep(closed, capsys):
    system = closed
    place = ("--role", "neighbours-linkage", "--agency", SUGINAMI)
    assert keys(system, "list", *place) == BAD_INPUT
    assert "--person" in capsys.readouterr().err
    both = ("--person", "tanaka", "--person", "sato")
    assert keys(system, "list", *place, *both, lines=[PEOPLE["tanaka"], "not what sato knows"]) == BAD_INPUT
    assert keys(system, "list", *place, *both, lines=[PEOPLE["tanaka"], PEOPLE["sato"]]) == OK
    system.running.set_up()
    assert "503 keys_closed" in asyncio.run(token_refusal(system, "suginami-gyomu"))
    unlock(system, "tanaka")
    unlock(system, "sato")
    assert keys(system, "unlock", "--agency", WARD, "--person", "tanaka") == BAD_INPUT
    system.running.stop_role("neighbours-linkage")
    assert unlock(system, "tanaka") == UNREACHABLE
    system.running.restart("neighbours-linkage")
