"""A citizen at the portal: own information and own exchange records, through the real network; and whoever tries to get at another's."""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
from dataclasses import replace

import pytest

from adapters.jlis_mock.portal.sign_in import MOST_PROCESSES
from gateway.__main__ import main
from gateway.citizen_calls import REDIRECT, CitizenCard, Device
from gateway.demonstration.callers import UnexpectedAnswerError
from gateway.demonstration.stage import WARD
from gateway.exit_codes import FAILED, OK, REFUSED
from gateway.staff_calls import RefusedError
from keys import labels
from keys.binding import bind
from keys.signing import generate_seed
from synthetic.business import MEDICAL_INSURANCE, RECEIVING_ACCOUNT
from tests.support.citizens import WAIT_S, card_of, device_of, see, suginami
from tests.support.running_system import entries, same_values, until
from transport import channel
from transport.channel import ChannelError
from transport.tls import client_context

RECORDS = "情報提供等記録"


@pytest.fixture(scope="module")
def device(job) -> Device:
    return device_of(job)


@pytest.fixture(scope="module")
def asked(job):
    """People about whom the ward was asked in the whole job: (person, barred?)."""
    insured = [one.person for one in suginami(job) if job.stage.business.is_insured(one.person)]
    barred = [person for person in insured if job.stage.business.is_barred(person)]
    plain = [person for person in insured if person not in barred]
    return plain, barred


def number_at_suginami(job, person) -> str:
    return next(one.addressee_number for one in suginami(job) if one.person == person)


def refusal(call, *words) -> str:
    with pytest.raises(RefusedError) as no:
        call(*words)
    return no.value.reason


# --- what a citizen sees


def test_a_citizen_sees_exactly_what_the_agency_holds_and_only_once(job, device, asked):
    person = asked[0][0]
    token = device.sign_in(card_of(job, person))

    process_id = device.request(token, WARD, MEDICAL_INSURANCE, [])
    found = device.wait(token, process_id, WAIT_S)

    assert found["outcome"] == "answered"
    assert same_values(found, job.system.insurance(person))
    assert refusal(device.result, token, process_id) == "process_unknown"


def test_only_the_items_asked_come(job, device, asked):
    token = device.sign_in(card_of(job, asked[0][1]))

    found = see(device, token, WARD, MEDICAL_INSURANCE, ["被保険者番号"])

    assert [set(record["items"]) for record in found["values"]] == [{"被保険者番号"}]


def test_what_is_not_there_what_was_refused_and_a_person_nobody_knows_look_alike(job, device):
    token = device.sign_in(card_of(job, next(one for one in job.stage.people if one not in job.stage.insured)))

    nothing = {"state": "ready", "outcome": "nothing"}
    assert see(device, token, WARD, MEDICAL_INSURANCE) == nothing
    assert see(device, token, "kyokai-kenpo", MEDICAL_INSURANCE) == nothing
    assert see(device, token, WARD, MEDICAL_INSURANCE, ["銀河系の数"]) == nothing


def test_barred_information_is_pending_until_staff_have_decided(job, device, asked):
    person = asked[1][0]
    token = device.sign_in(card_of(job, person))
    process_id = device.request(token, WARD, MEDICAL_INSURANCE, [])

    held = asyncio.run(latest_held(job))
    assert device.result(token, process_id) == {"state": "pending"}
    asyncio.run(job.system.decide(WARD, held, approve=True))
    found = device.wait(token, process_id, WAIT_S)
    assert same_values(found, job.system.insurance(person, barred=True))


async def latest_held(job):
    async def look() -> list[dict]:
        async with job.system.provider_staff(WARD) as staff:
            return [one for one in await staff.items(f"/{WARD}/held-provisions", []) if one["inquirer"] == "portal"]

    return (await until(look, bool))[0]


def test_a_citizen_gets_their_records_proven_and_the_disclosure_is_the_next_record(
    job, device, asked, tmp_path, capsys
):
    person = asked[0][2]
    token = device.sign_in(card_of(job, person))
    first = see(device, token, WARD, RECORDS)["file"]
    second = see(device, token, WARD, RECORDS)["file"]
    file = tmp_path / "records.ndjson"
    file.write_text(second)

    assert main(["verify", "--extract", str(file), "--data", str(job.system.running.data.root)]) == OK
    views = [json.loads(line["record"]["view"]) for line in map(json.loads, second.splitlines()) if "record" in line]
    assert {("suginami", "27", "given"), ("portal", "4", "given")} <= {
        (view["inquirer"], view["item"], view["outcome"]) for view in views
    }
    assert second.count('"record":') == first.count('"record":') + 1
    assert "salt" not in second
    file.write_text(second.replace("suginami", "setagaya", 1))
    assert main(["verify", "--extract", str(file), "--data", str(job.system.running.data.root)]) != OK
    capsys.readouterr()


def test_each_disclosure_stands_in_three_logs_and_no_log_names_the_citizen(job, device, asked):
    person = asked[0][3]
    token = device.sign_in(card_of(job, person))
    see(device, token, WARD, RECORDS)

    logs = {name: asyncio.run(job.system.export(name)) for name in (WARD, "portal", "network")}
    mine = entries(logs["portal"], kind="inquiry.answered")[-1]
    number = mine["inquiry_number"]
    assert (mine["basis"], mine["item"], mine["information"]) == ("own-information", "4", RECORDS)
    assert mine["actor"] == "portal/sekisho-citizen"
    assert [one["kind"] for one in entries(logs[WARD], number=number)] == ["provision.made"]
    assert [one["kind"] for one in entries(logs["network"], number=number)] == ["permit.issued", "provision.relayed"]
    assert job.system.findings({**logs, "linkage": asyncio.run(job.system.linkage_log())}) == []


def test_the_portal_and_the_agency_have_numbers_of_their_own_and_the_portal_no_individual_number(job, device, asked):
    """The portal's database holds digests and counters; its intermediate server another number and another code than the ward's."""
    device.sign_in(card_of(job, asked[0][0]))
    rows = asyncio.run(tables(job))

    assert set(rows["citizen"][0]) == {"holder", "counter"}
    assert rows["numbers"]["portal"]
    assert rows["numbers"]["portal"] & rows["numbers"]["setagaya"] == set()
    assert rows["codes"]["portal"] & rows["codes"]["setagaya"] == set()


async def tables(job):
    async with job.system.administrator() as connection:
        citizen = [dict(row) for row in await connection.fetch("select * from portal.citizen")]
        found = {
            name: await connection.fetch(f"select integrated_number, code_index from a_{name}_intermediate.person_code")
            for name in ("portal", "setagaya")
        }
    return {
        "citizen": citizen,
        "numbers": {name: {row["integrated_number"] for row in rows} for name, rows in found.items()},
        "codes": {name: {row["code_index"] for row in rows} for name, rows in found.items()},
    }


def test_a_new_card_of_the_same_person_is_the_same_citizen(job, device, asked):
    before = len(asyncio.run(tables(job))["citizen"])
    person = next(one for one in reversed(job.stage.insured) if one not in asked[0])
    device.sign_in(card_of(job, person))
    device.sign_in(card_of(job, person))

    assert len(asyncio.run(tables(job))["citizen"]) == before + 1


def test_the_portal_killed_between_request_and_result_has_forgotten_the_session_and_knows_the_citizen(
    job, device, asked
):
    card = card_of(job, asked[0][4])
    token = device.sign_in(card)
    process_id = device.request(token, WARD, MEDICAL_INSURANCE, [])
    before = len(asyncio.run(tables(job))["citizen"])
    job.system.running.kill("portal")
    job.system.running.restart("portal")

    assert refusal(device.result, token, process_id) == "session_ended"
    assert see(device, device.sign_in(card), WARD, MEDICAL_INSURANCE)["outcome"] == "answered"
    assert len(asyncio.run(tables(job))["citizen"]) == before


# --- who tries what


def test_another_citizen_s_process_is_none(job, device, asked):
    mine, theirs = (device.sign_in(card_of(job, person)) for person in asked[0][5:7])
    process_id = device.request(theirs, WARD, MEDICAL_INSURANCE, [])

    assert refusal(device.result, mine, process_id) == "process_unknown"
    assert device.wait(theirs, process_id, WAIT_S)["outcome"] == "answered"


def test_a_request_cannot_name_a_person(job, device, asked):
    token = device.sign_in(card_of(job, asked[0][7]))
    other = asked[0][8]
    for extra in ("integrated_number", "individual_number", "person"):
        body = {"provider": WARD, "information": MEDICAL_INSURANCE, "items": [], extra: other.individual_number}
        assert refusal(device.call, "POST", "/request", json.dumps(body).encode(), token) == "malformed_body"


def test_a_code_works_once_and_its_second_use_ends_the_session(job, device, asked):
    verifier = secrets.token_urlsafe(48)
    code = device.code(card_of(job, asked[0][9]), device.ticket(verifier))
    token = device.token(code, verifier)["access_token"]
    device.request(token, WARD, MEDICAL_INSURANCE, [])

    assert refusal(device.token, code, verifier) == "invalid_grant"
    assert refusal(device.request, token, WARD, MEDICAL_INSURANCE, []) == "session_ended"


def test_a_code_is_worth_nothing_without_its_verifier_nor_after_a_wrong_one(job, device, asked):
    verifier = secrets.token_urlsafe(48)
    code = device.code(card_of(job, asked[0][10]), device.ticket(verifier))

    assert refusal(device.token, code, secrets.token_urlsafe(48)) == "invalid_grant"
    assert refusal(device.token, code, verifier) == "invalid_grant"


def test_a_ticket_is_spent_with_its_code_and_belongs_to_its_client_and_address(job, device, asked):
    card = card_of(job, asked[0][11])
    ticket = device.ticket(secrets.token_urlsafe(48))
    device.code(card, ticket)

    for spelling in (ticket, f"{ticket}\n", f"!{ticket}"):
        assert refusal(device.code, card, spelling) == "ticket_unknown"
    assert refusal(device.code, card, ticket[:-8] + "AAAAAAA=") == "ticket_unknown"
    asked_of = "/oauth/authorize?response_type=code&code_challenge_method=S256&code_challenge=" + "A" * 43
    for query in (
        "&client_id=sekisho-citizen&redirect_uri=http://127.0.0.1/evil",
        f"&client_id=x&redirect_uri={REDIRECT}",
    ):
        assert refusal(device.call, "GET", asked_of + query) == "client_unknown"
    plain = f"/oauth/authorize?response_type=code&client_id=sekisho-citizen&redirect_uri={REDIRECT}"
    assert refusal(device.call, "GET", plain) == "pkce_required"
    twice = plain + "&code_challenge_method=S256&client_id=other"
    assert refusal(device.call, "GET", twice) == "malformed_body"


def test_a_card_is_its_key_and_its_certificate_together(job, device, asked):
    mine, theirs = (card_of(job, person) for person in asked[0][12:14])

    swapped = replace(mine, certificate=theirs.certificate)
    forged = CitizenCard(seed=generate_seed(), certificate=secrets.token_bytes(40))
    for card in (swapped, forged):
        assert refusal(device.sign_in, card) == "card_refused"
    ticket = device.ticket(secrets.token_urlsafe(48))
    wrong = mine.signer.sign(labels.CITIZEN_SIGN_IN, bind(ticket, "another-client", REDIRECT))
    shown = {
        "ticket": ticket,
        "card_key": base64.b64encode(mine.signer.public_key).decode(),
        "certificate": base64.b64encode(mine.certificate).decode(),
        "signature": base64.b64encode(wrong).decode(),
    }
    answer = refusal(device.call, "POST", "/oauth/authorize", json.dumps(shown).encode())
    assert answer == "card_signature_wrong"


def test_a_session_asks_for_so_much_at_once(job, device, asked):
    token = device.sign_in(card_of(job, asked[0][17]))
    begun = [device.request(token, WARD, MEDICAL_INSURANCE, ["被保険者番号"]) for _ in range(MOST_PROCESSES)]

    assert refusal(device.request, token, WARD, MEDICAL_INSURANCE, []) == "too_many_processes"
    device.wait(token, begun[0], WAIT_S)
    device.request(token, WARD, MEDICAL_INSURANCE, [])


def test_after_signing_out_and_without_a_token_nothing_is_shown(job, device, asked):
    token = device.sign_in(card_of(job, asked[0][14]))
    process_id = device.request(token, WARD, MEDICAL_INSURANCE, [])
    device.sign_out(token)

    for one in (token, "", secrets.token_urlsafe(32)):
        assert refusal(device.result, one, process_id) == "session_ended"
        assert refusal(device.request, one, WARD, MEDICAL_INSURANCE, []) == "session_ended"


def test_what_no_row_gives_is_not_asked_for(job, device, asked):
    token = device.sign_in(card_of(job, asked[0][15]))

    for provider, information in (
        (WARD, "地方税関係情報"),
        (WARD, RECEIVING_ACCOUNT),
        ("portal", RECORDS),
        ("nowhere", MEDICAL_INSURANCE),
    ):
        assert refusal(device.request, token, provider, information, []) == "not_offered"


def test_an_agency_cannot_ask_under_the_citizen_s_basis(job, asked):
    """The list says who: the ward's own server refuses, and so would core and provider."""
    question = job.system.to_the_ward(
        asked[0][0],
        addressee_number=number_at_suginami(job, asked[0][0]),
        basis="own-information",
        item="4",
        information=RECORDS,
    )
    answer = asyncio.run(job.system.ask("suginami-gyomu", question))

    assert (answer["state"], answer["reason"]) == ("refused", "inquirer_not_in_row")


@pytest.mark.parametrize("path", ["/portal/inquiries", "/portal/inquiry-results", "/portal/acquisition-numbers"])
def test_an_agency_s_certificate_is_refused_where_the_portal_asks_and_on_record(job, path):
    role = job.system.running.role("linkage")
    identity = role.hosted[WARD].identity
    answer = asyncio.run(called(job.system.running.url("neighbours-intermediate") + path, identity))

    assert answer == "not_for_this_caller"
    refused = entries(asyncio.run(job.system.export("portal")), kind="access.refused")
    assert any(one["reason"] == "not_for_this_caller" for one in refused)


def test_an_agency_cannot_learn_who_holds_a_card(job, asked):
    role = job.system.running.role("linkage")
    url = job.system.running.url("resident-network") + "/card-holders"

    assert asyncio.run(called(url, role.hosted[WARD].identity)) == "certificate_for_another_use"


async def called(url: str, identity) -> str:
    async with channel.session(client_context(identity, identity.ca)) as client:
        with pytest.raises(ChannelError) as no:
            await channel.post(client, url, b'{"items": []}', timeout_s=10)
    return no.value.reason


def test_cards_are_issued_by_the_resident_network_s_staff_for_residents_alone(job, asked):
    unknown = replace(asked[0][0], individual_number="123456789018")
    with pytest.raises(KeyError):
        card_of(job, unknown)

    async def as_the_ward():
        async with job.stage.staff(WARD, "resident-network") as window:
            await window.items("/cards", [])

    with pytest.raises(UnexpectedAnswerError, match="certificate_for_another_use"):
        asyncio.run(as_the_ward())


# --- the command


def test_the_command_makes_a_card_and_shows_what_its_holder_may_see(job, asked, tmp_path, capsys):
    person = asked[0][16]
    number, card = number_at_suginami(job, person), str(tmp_path / "card.json")
    data = ("--data", str(job.system.running.data.root))

    assert main(["portal", "card", number, "--client", "suginami-gyomu", "--card", card, *data]) == OK
    given = ("--provider", WARD, "--card", card, *data)
    assert main(["portal", "show", "--information", MEDICAL_INSURANCE, *given]) == OK
    printed = capsys.readouterr().out
    assert same_values({"values": json.loads(printed[printed.index("[") :])}, job.system.insurance(person))
    out = str(tmp_path / "mine.ndjson")
    assert main(["portal", "records", "--out", out, *given]) == OK
    assert main(["verify", "--extract", out, *data]) == OK
    assert main(["portal", "show", "--information", RECEIVING_ACCOUNT, *given]) == REFUSED
    assert (
        main(["portal", "show", "--information", MEDICAL_INSURANCE, "--provider", "kyokai-kenpo", *given[2:]]) == FAILED
    )
    assert person.individual_number not in capsys.readouterr().out
