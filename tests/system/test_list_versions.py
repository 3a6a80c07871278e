"""Versions of the permission list in the running system: taken by every agency, in force from midnight JST, refused when forged."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest

from adapters.jlis_mock.dishonest import SignedRequest, Wish
from gateway.__main__ import main
from gateway.config import FAULT
from gateway.demonstration.another_vendor import vendor
from gateway.demonstration.stage import WARD
from gateway.exit_codes import BAD_INPUT, OK, REFUSED
from gateway.launcher import ROOT
from gateway.list_sources import publisher_keys
from gateway.setting_up.authority import open_authority
from keys import labels
from keys.signing import Signer, generate_seed
from permission_lists.versions import Head, SignedVersion, read_head
from storage import list_files
from synthetic.business import MEDICAL_INSURANCE
from tests.support.running_system import RESIDENTS, System, entries, insisting, started, until
from transport.clock import Clock

ORDINANCE = Path(__file__).parents[1] / "permission_lists" / "ordinance.yaml"
MIDNIGHT = datetime(2022, 10, 31, 15, 0, 30, tzinfo=UTC)
"""Half a minute into 2022-11-01 in Japan."""
NEXT_MIDNIGHT = MIDNIGHT + timedelta(days=1)


@pytest.fixture(scope="module")
def system(tmp_path_factory):
    """The ward, its neighbours and the network, looking for new lists all the time; one person with an account at naikaku."""
    with started(tmp_path_factory.mktemp("lists"), options={"list_poll_s": 0.2, "resend_after_s": 1}) as running:
        yield asyncio.run(_person(System(running=running)))


async def _person(system: System) -> System:
    person = system.insured[0]
    await system.populate([person])
    for each in (RESIDENTS, "naikaku-gyomu"):
        await system.register(each, [person])
        await system.obtain_codes(each)
    await system.load_records("naikaku-gyomu", [system.account(person)], "base.ndjson", agency="naikaku")
    return system


def kinds(export: bytes, kind: str) -> list[dict]:
    return entries(export, kind=kind)


def heads(system: System) -> list[Head]:
    return [head for one in list_files.read(system.running.data.lists) if (head := read_head(one.head))]


async def taken(system: System, agency: str, number: int) -> list[int]:
    async def numbers() -> list[int]:
        return [one["facts"]["number"] for one in kinds(await system.export(agency), "list.taken")]

    return await until(numbers, lambda found: number in found)


async def metrics(system: System, role: str) -> str:
    async with aiohttp.ClientSession() as client, client.get(f"{system.running.metrics_url(role)}") as answer:
        return await answer.text()


def publish(system: System, day: str, *files: Path) -> int:
    return main(
        ["lists", "publish", *map(str, files or (ORDINANCE,)), "--from", day, "--data", str(system.running.data.root)]
    )


def move_clock(system: System, to: datetime) -> None:
    """Every role believes it is this instant from now on."""
    system.running.clock.set(to)


async def asked(system: System, **changes: str) -> dict:
    return await system.ask(RESIDENTS, system.from_the_ward(system.insured[0], **changes))


async def test_every_agency_takes_the_first_versions_once_and_records_them(system):
    for agency in (WARD, "naikaku", "suginami"):
        assert await taken(system, agency, 2) == [1, 2]
    published = kinds(await system.export("network"), "list.published")
    assert [one["facts"]["valid_from"] for one in published] == ["2022-06-17", "2024-05-27"]


@pytest.mark.parametrize(
    ("day", "change", "code", "said"),
    [
        ("2022-10-03", str, REFUSED, "list_date_not_ahead"),
        ("2022-11-31", str, BAD_INPUT, "--from"),
        ("2022-11-01", lambda text: text.replace("beppyo2-2022:42", "beppyo2-2022:420"), BAD_INPUT, "follows_nothing"),
        ("2022-11-01", lambda text: text.replace("'2022-07-01'", "2022-07-01"), BAD_INPUT, "value_not_text"),
    ],
)
async def test_a_mistake_publishes_nothing(system, tmp_path, capsys, day, change, code, said):
    file = tmp_path / "ordinance.yaml"
    file.write_text(change(ORDINANCE.read_text(encoding="utf-8")), encoding="utf-8")

    assert publish(system, day, file) == code

    printed = capsys.readouterr()
    assert said in printed.out + printed.err
    assert len(kinds(await system.export("network"), "list.published")) == 2


async def test_a_row_by_ordinance_is_published_taken_and_in_force_from_midnight(system, capsys):
    """PL-5, and the change of the list over the wire from end to end."""
    assert publish(system, "2022-11-01") == OK
    assert "版 3" in capsys.readouterr().out
    for agency in (WARD, "naikaku"):
        assert await taken(system, agency, 3) == [1, 2, 3]
    before = await asked(system, basis="setagaya-example", item="1")
    assert (before["state"], before["reason"]) == ("refused", "basis_not_in_force")

    move_clock(system, MIDNIGHT)

    answer = await asked(system, basis="setagaya-example", item="1")
    assert answer["state"] == "answered", answer
    assert (await asked(system))["state"] == "answered"
    digests = {one["list_digest"] for one in kinds(await system.export("naikaku"), "provision.made")}
    head = kinds(await system.export(WARD), "list.taken")[-1]["facts"]
    assert (head["number"], head["valid_from"], digests) == (3, "2022-11-01", {head["content_digest"]})


@pytest.mark.parametrize("day", ["2022-11-02", "2023-04-01"])
async def test_pl_2_a_version_that_says_the_same_as_the_one_that_counts_is_refused_and_named(
    system, tmp_path, capsys, day
):
    """In other words of YAML too; nothing is signed, and the core is not asked."""
    file = tmp_path / "ordinance.yaml"
    file.write_text(f"# another hand\n{ORDINANCE.read_text(encoding='utf-8')}", encoding="utf-8")
    refused = kinds(await system.export("network"), "list.refused")

    assert publish(system, day, file) == REFUSED

    said = capsys.readouterr().err
    assert "版 3（2022-11-01 から）と同じ内容" in said
    assert heads(system)[-1].number == 3
    assert len(kinds(await system.export("network"), "list.published")) == 3
    assert kinds(await system.export("network"), "list.refused") == refused


async def test_what_is_in_flight_at_midnight_ends_under_the_list_it_began_under(system, tmp_path):
    """A request of the day before gets no permit any more; a permit of the day before is answered; a new day, a new list."""
    person = system.insured[0]
    move_clock(system, NEXT_MIDNIGHT - timedelta(minutes=2))
    file = tmp_path / "ordinance.yaml"
    file.write_text(ORDINANCE.read_text(encoding="utf-8").replace("独自減免", "独自の減免"), encoding="utf-8")
    assert publish(system, "2022-11-02", file) == OK
    assert 4 in await taken(system, WARD, 4)
    old, new = (one.content_digest for one in heads(system)[-2:])
    async with vendor(system.stage) as playing:

        async def permit_of(signed: SignedRequest) -> dict:
            return await insisting(lambda: playing.peer.ask_permit(signed, code))

        def build(digest: str, item: str = "27") -> SignedRequest:
            wish = Wish(
                provider=WARD, item=item, information=MEDICAL_INSURANCE, list_digest=digest, basis="beppyo2-2022"
            )
            return playing.peer.build(wish, system.running.role("intermediate").clock())

        code = await playing.code_of(person, system.running.role("intermediate").clock())
        begun, late = build(old), build(old)
        permit = (await permit_of(begun))["permit"]
        assert await permit_of(build(new)) == {"refused": {"reason": "list_not_in_force"}}

        move_clock(system, NEXT_MIDNIGHT)

        assert await permit_of(late) == {"refused": {"reason": "list_not_in_force"}}
        answer = await insisting(lambda: playing.peer.present(permit, begun))
        fresh = build(new)
        again = await permit_of(fresh)
    assert "outcome" in answer, answer
    assert "permit" in again
    made = entries(await system.export(WARD), number=begun.inquiry_number)
    assert [(one["kind"], one["list_digest"]) for one in made] == [("provision.not_provided", old)]


async def test_a_forged_version_is_refused_whole_recorded_once_and_the_server_stays_on_what_it_has(system):
    given = system.running.data.role("intermediate") / list_files.FILE_NAME
    versions = list_files.read(system.running.data.lists)
    latest = json.loads(versions[-1].head)
    head = json.dumps(
        latest | {"number": latest["number"] + 1, "supersedes": latest["content_digest"]},
        sort_keys=True,
        separators=(",", ":"),
    ).encode()
    forged = replace(versions[-1], head=head, signature=Signer(generate_seed()).sign(labels.LIST, head))
    given.write_bytes(list_files.encode([*versions, forged]))

    for _ in range(2):
        system.running.restart("intermediate")
    refused = kinds(await system.export(WARD), "list.refused")
    assert [(one["reason"], one["facts"]) for one in refused] == [("list_signature", {"version": forged.digest})]
    assert await taken(system, WARD, latest["number"]) == list(range(1, latest["number"] + 1))
    assert (await asked(system))["state"] == "answered"


async def test_a_version_that_the_core_keeps_back_is_missed_and_nobody_decides_by_the_one_before(
    system, tmp_path, capsys
):
    """It is told at once, used is the list of the day to its end, then nobody asks; on record once, and over when the list comes."""
    day = NEXT_MIDNIGHT + timedelta(days=1)
    file = tmp_path / "ordinance.yaml"
    file.write_text(ORDINANCE.read_text(encoding="utf-8").replace("独自減免", "独自のある減免"), encoding="utf-8")
    await system.faults(stale_list=1_000_000)
    assert publish(system, "2022-11-03", file) == OK
    number = heads(system)[-1].number

    async def missing() -> bool:
        return 'sekisho_list_versions_missing{agency="setagaya"} 1.0' in await metrics(system, "intermediate")

    assert await until(missing, bool)
    assert (await asked(system))["state"] == "answered"
    move_clock(system, day)
    assert (await asked(system))["reason"] == "list_overdue"

    async def recorded() -> list[dict]:
        return [
            one["facts"] for one in kinds(await system.export(WARD), "list.refused") if one["reason"] == "list_overdue"
        ]

    assert [one["number"] for one in await until(recorded, bool)] == [number]
    async with system.stage.system(RESIDENTS) as caller:
        told = json.loads(await caller.download("/v1/notices"))["notices"]
    assert [(one["kind"], one["text"]) for one in told] == [("list_not_taken", "list_overdue")]

    await system.faults(stale_list=0)
    for agency in (WARD, "naikaku"):
        assert number in await taken(system, agency, number)
    assert (await asked(system))["state"] == "answered"
    assert not await until(missing, lambda found: not found)
    assert len(await recorded()) == 1


def signed_next(system: System, signer: Signer, day: str) -> SignedVersion:
    """The newest version once more, as the next one."""
    newest = list_files.read(system.running.data.lists)[-1]
    before = json.loads(newest.head)
    said = {"number": before["number"] + 1, "supersedes": before["content_digest"], "valid_from": day}
    head = json.dumps(before | said, sort_keys=True, separators=(",", ":")).encode()
    return replace(newest, head=head, signature=signer.sign(labels.LIST, head))


async def at_the_core(system: System, signed: SignedVersion) -> dict:
    wire = {name: base64.b64encode(getattr(signed, name)).decode() for name in ("head", "signature", "content")}
    async with system.stage.staff("network", "network") as staff:
        return (await staff.items("/list-versions/publish", [wire]))[0]


async def refusals(system: System, party: str, signed: SignedVersion) -> list[str]:
    found = kinds(await system.export(party), "list.refused")
    return [one["reason"] for one in found if one["facts"] == {"version": signed.digest}]


ROTATE = ("keys", "rotate", "permission-list")


async def test_is_8_the_publishers_key_is_rotated_under_traffic_and_the_old_one_makes_no_list_any_more(
    system, tmp_path
):
    """Versions of before stay, the next one is believed under the new key; whoever still has the old key makes nothing of it, at core or agency."""
    data = system.running.data
    old = open_authority(data.authority, Clock()()).lists
    answers: list[str] = []
    words = (*ROTATE, "--data", str(data.root))
    rotating = asyncio.create_task(asyncio.to_thread(main, words))
    while not rotating.done():
        answers.append((await asked(system))["state"])
    assert rotating.result() == OK
    assert set(answers) == {"answered"}

    stolen = signed_next(system, old, "2022-12-01")
    assert await at_the_core(system, stolen) == {"refused": {"reason": "list_key_retired"}}
    assert await refusals(system, "network", stolen) == ["list_key_retired"]
    file = tmp_path / "ordinance.yaml"
    file.write_text(ORDINANCE.read_text(encoding="utf-8").replace("独自減免", "新しい減免"), encoding="utf-8")
    assert publish(system, "2022-12-01", file) == OK
    number = heads(system)[-1].number
    for agency in (WARD, "naikaku"):
        assert number in await taken(system, agency, number)

    given = data.role("intermediate") / list_files.FILE_NAME
    late = signed_next(system, old, "2022-12-02")
    given.write_bytes(list_files.encode([*list_files.read(data.lists), late]))
    system.running.restart("intermediate")
    assert await refusals(system, WARD, late) == ["list_key_retired"]
    assert await taken(system, WARD, number) == list(range(1, number + 1))
    assert (await asked(system))["state"] == "answered"
    rotated = [one["facts"] for one in kinds(await system.export("network"), "key.rotated")]
    assert [(one["purpose"], one["version"]) for one in rotated] == [("permission-list", 2)]
    assert (await at_the_core(system, list_files.read(data.lists)[0])) == {"published": True}


@pytest.mark.parametrize("point", ["announced.after", "promoted.after"])
def test_is_8_a_rotation_of_the_publishers_key_that_dies_is_finished_by_the_same_command(system, point):
    data = system.running.data
    words = (*ROTATE, "--lead", "0", "--data", str(data.root))
    died = subprocess.run(
        [sys.executable, "-m", "gateway", *words],
        env={**os.environ, FAULT: f"keys.rotation.{point}"}, cwd=ROOT, check=False, timeout=60,
    )  # fmt: skip
    assert died.returncode == -signal.SIGKILL
    keys = publisher_keys(data).keys
    assert [one.signed is None for one in keys[-2:]] == [True, True]
    assert main(words) == OK
    after = publisher_keys(data).keys
    assert [one.key for one in after] == [one.key for one in keys]
    assert [one.signed is None for one in after] == [*[False] * (len(keys) - 1), True]
    assert open_authority(data.authority, Clock()()).lists.public_key == after[-1].key


async def test_a_list_that_was_changed_in_the_database_is_not_decided_on(system):
    """Whoever can write the table cannot make a list: what is read from it is checked again. Nothing is permitted under it."""
    async with system.administrator() as connection:
        await connection.execute(
            "update a_setagaya_intermediate.list_version set content = (select content from a_setagaya_intermediate.list_version where number = 1) where number > 2"
        )
    system.running.restart("intermediate")

    answer = await asked(system, basis="setagaya-example", item="1")
    assert (answer["state"], answer["reason"]) == ("refused", "list_overdue")
    assert "list_digest_differs" in {one["reason"] for one in kinds(await system.export(WARD), "list.refused")}
