"""お知らせ (OSR): an agency's notice reaches whom it is for, at the portal, in the two steps of own information (docs/adr/0056)."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import date

import pytest

from gateway.__main__ import main
from gateway.citizen_calls import Device
from gateway.demonstration.stage import WARD
from gateway.exit_codes import OK
from synthetic.business import NOTICE
from tests.support.citizens import card_of, device_of, see, suginami
from tests.support.running_system import INSURANCE, entries, same_values


@pytest.fixture(scope="module")
def device(job) -> Device:
    return device_of(job)


@pytest.fixture(scope="module")
def known(job):
    """People whom 杉並区 knows and the ward insures, without bars."""
    business = job.stage.business
    return [one for one in suginami(job) if business.is_insured(one.person) and not business.is_barred(one.person)]


def notices_to(job, person, **changes):
    number = job.system.number(INSURANCE, person)
    return [
        replace(job.stage.business.notice(person, system=INSURANCE, addressee_number=number, nth=nth), **changes)
        for nth in range(2)
    ]


def test_a_notice_reaches_whom_it_is_for_and_nobody_else_and_is_recorded_by_all_three(job, device, known):
    """One that does not stand yet and one that has been withdrawn are not shown."""
    mine, theirs = (one.person for one in known[-2:])
    notices = notices_to(job, mine)
    later = replace(notices[1], record_id="notice-of-tomorrow", public_from=date(2099, 1, 1))
    loaded = asyncio.run(job.system.load_records(INSURANCE, [*notices, later], "notices.ndjson"))
    assert {one["outcome"] for one in loaded} == {"registered"}

    token = device.sign_in(card_of(job, mine))
    found = see(device, token, WARD, NOTICE)
    assert found["outcome"] == "answered"
    assert same_values(found, notices)
    assert see(device, device.sign_in(card_of(job, theirs)), WARD, NOTICE) == {"state": "ready", "outcome": "nothing"}
    assert see(device, token, "kosei-rodo", NOTICE) == {"state": "ready", "outcome": "nothing"}

    logs = {name: asyncio.run(job.system.export(name)) for name in (WARD, "portal", "network")}
    (number,) = {
        one["inquiry_number"] for one in entries(logs[WARD], kind="provision.made") if one["information"] == NOTICE
    }
    assert [one["kind"] for one in entries(logs["portal"], number=number)][-1] == "inquiry.answered"
    assert [one["kind"] for one in entries(logs["network"], number=number)] == ["permit.issued", "provision.relayed"]


def test_the_command_shows_notices_newest_first_and_control_characters_do_nothing(job, known, tmp_path, capsys):
    person, card = known[-2].person, tmp_path / "card.json"
    card_of(job, person).save(card)
    given = ("--provider", WARD, "--card", str(card), "--data", str(job.system.running.data.root))
    assert main(["portal", "notices", *given]) == OK
    printed = capsys.readouterr().out
    for notice in notices_to(job, person):
        assert f"{notice.items['発出日']}  {notice.items['件名']}\n    {notice.items['本文']}" in printed
    assert main(["portal", "notices", "--json", *given]) == OK
    assert len(json.loads(capsys.readouterr().out)) == 2


def test_no_agency_reads_another_s_notices(job, known):
    question = job.system.to_the_ward(
        known[0].person,
        addressee_number=known[0].addressee_number,
        basis="own-information",
        item="5",
        information=NOTICE,
    )
    answer = asyncio.run(job.system.ask("suginami-gyomu", question))
    assert (answer["state"], answer["reason"]) == ("refused", "inquirer_not_in_row")
