"""What a dishonest network, a bent database and a rotated key do to exchanges: each is caught, named, and stops nobody else."""

from __future__ import annotations

import asyncio
import base64
import json
import secrets

import pytest

from adapters.jlis_mock.dishonest import Wish
from gateway.demonstration.another_vendor import vendor
from gateway.demonstration.callers import Staff, UnexpectedAnswerError
from gateway.demonstration.run import DEMO_DAY
from gateway.demonstration.stage import WARD
from gateway.setting_up.authority import open_authority
from keys.box import NONCE_SIZE
from keys.signing import Signer, generate_seed
from storage.reference_data import read_permission_list
from tests.support.running_system import INSURANCE, RESIDENTS, System, entries, same_values, started, until
from transport.clock import Clock
from transport.register import sign_register

NEIGHBOUR = "a_suginami_intermediate"
WARD_TENANT = "a_setagaya_intermediate"


@pytest.fixture(scope="module")
def system(tmp_path_factory):
    with started(tmp_path_factory.mktemp("dishonest"), options={"resend_after_s": 1}) as running:
        made = System(running=running)
        asyncio.run(_people(made))
        yield made


async def _people(system: System) -> None:
    """insured[0]: records. [1]: barred. [2]: records, to be bent."""
    cast = system.insured[:3]
    await system.populate(cast)
    for each in (RESIDENTS, INSURANCE, "suginami-gyomu"):
        await system.register(each, cast)
    for each in (RESIDENTS, "suginami-gyomu"):
        await system.obtain_codes(each)
    records = [*system.insurance(cast[0]), *system.insurance(cast[1], barred=True), *system.insurance(cast[2])]
    await system.load_records(INSURANCE, records, "base.ndjson")


async def no_findings(system: System) -> None:
    assert system.findings(await system.exports(WARD, "suginami")) == []


async def test_a_presentation_that_the_network_refuses_is_recorded_as_the_networks_no(system):
    await system.faults(permit_redeem_s=0)
    try:
        answer = await system.ask("suginami-gyomu", system.to_the_ward(system.insured[0]))
    finally:
        await system.faults(permit_redeem_s=None)
    assert (answer["state"], answer["reason"]) == ("refused", "permit_expired")
    own = entries(await system.export("suginami"), number=answer["inquiry_number"])
    assert [one["kind"] for one in own] == ["inquiry.registered", "inquiry.permitted", "inquiry.refused_by_network"]
    assert own[-1]["permit_id"] == own[1]["permit_id"]
    assert entries(await system.export(WARD), number=answer["inquiry_number"]) == []
    await no_findings(system)


async def test_a_row_whose_one_time_key_does_not_open_is_aborted_and_the_server_goes_on(system):
    await system.faults(provider_down=1000)
    async with system.stage.system("suginami-gyomu") as caller:
        question = system.to_the_ward(system.insured[0])
        number = (await caller.inquire([question], wait_ms=0))[0]["inquiry_number"]
        await until(lambda: system.result(caller, number), lambda found: found["state"] == "permitted")
    async with system.administrator() as admin:
        await admin.execute(
            f"update {NEIGHBOUR}.inquiry set private_sealed = set_byte(private_sealed, 30, get_byte(private_sealed, 30) # 1) where inquiry_number = $1",
            number,
        )
    answer = await system.settled("suginami-gyomu", {"state": "permitted", "inquiry_number": number})
    await system.faults(provider_down=0)
    assert (answer["state"], answer["reason"]) == ("aborted", "one_time_key_unreadable")
    assert (await system.ask("suginami-gyomu", question))["state"] == "answered"


async def test_a_flag_that_was_changed_in_the_database_breaks_the_seal(system):
    person = system.insured[1]
    ids = [record.record_id for record in system.insurance(person, barred=True)]
    turned = (
        f"update {WARD_TENANT}.replica set sealed = set_byte(sealed, {NONCE_SIZE}, get_byte(sealed, {NONCE_SIZE}) # 1)"
        " where exists (select 1 from unnest($1::text[]) i where record_id like '%' || i)"
    )
    async with system.administrator() as admin:
        assert await admin.execute(turned, ids) != "UPDATE 0"
    answer = await system.ask("suginami-gyomu", system.to_the_ward(person))
    async with system.administrator() as admin:
        await admin.execute(turned, ids)
    assert (answer["state"], answer["reason"], answer["values"]) == ("refused", "replica_unreadable", None)
    assert (await system.ask("suginami-gyomu", system.to_the_ward(person)))["state"] == "held"
    await no_findings(system)


async def test_a_pushed_outcome_that_is_not_the_providers_changes_nothing(system):
    held = await system.ask("suginami-gyomu", system.to_the_ward(system.insured[1]))
    assert held["state"] == "held"
    own = entries(await system.export("suginami"), number=held["inquiry_number"], kind="inquiry.held")
    network = system.running.role("network").hosted["network"].identity
    forged = {
        "permit_id": own[0]["permit_id"],
        "outcome": base64.b64encode(b'{"disposition":"refused"}').decode(),
        "signature": base64.b64encode(secrets.token_bytes(64)).decode(),
        "sealed": None,
    }
    async with Staff(system.running.url("neighbours-intermediate"), network) as interface:
        told = (await interface.items("/suginami/outcomes", [forged]))[0]
    assert told == {"refused": {"reason": "outcome_signature"}}
    assert (await system.look("suginami-gyomu", held["inquiry_number"]))["state"] == "held"
    await system.decide(WARD, await system.held(WARD, held["inquiry_number"]), approve=True)
    answer = await system.settled("suginami-gyomu", held)
    assert answer["state"] == "answered"
    assert same_values(answer, system.insurance(system.insured[1], barred=True))


async def test_a_second_permit_for_the_same_signed_request_is_refused_by_the_provider(system):
    """A core that mints permits for other people out of one request: the first answer stands."""
    async with vendor(system.stage) as playing:
        now = system.running.role("intermediate").clock()
        await system.populate(system.insured[:2])
        code = await playing.code_of(system.insured[0], now)
        other = await playing.code_of(system.insured[2], now)
        wish = _wish(system)
        signed = playing.peer.build(wish, now)
        permit = (await playing.peer.ask_permit(signed, code))["permit"]
        assert "sealed" in await playing.peer.present(permit, signed)
        async with (
            system.administrator() as admin
        ):  # the core forgets, so that it issues another permit for the same bytes
            await admin.execute("delete from core.permit where inquiry_number = $1", signed.inquiry_number)
        second = (await playing.peer.ask_permit(signed, other))["permit"]
        answer = await playing.peer.present(second, signed)
    outcome = json.loads(base64.b64decode(answer["outcome"]))
    assert (outcome["disposition"], outcome["reason"], answer.get("sealed")) == (
        "refused",
        "inquiry_answered_before",
        None,
    )
    recorded = [one["reason"] for one in entries(await system.export(WARD), kind="access.refused")]
    assert "inquiry_answered_before" in recorded


def _wish(system: System):
    digest = read_permission_list(DEMO_DAY.date()).digest
    return Wish(provider=WARD, item="27", information="医療保険給付関係情報", list_digest=digest, basis="beppyo2-2022")


async def test_the_staff_can_decide_a_held_provision_after_the_permit_key_was_rotated(system):
    held = await system.ask("suginami-gyomu", system.to_the_ward(system.insured[1]))
    shown = await system.held(WARD, held["inquiry_number"])
    _other_permit_key(system)
    system.running.restart("intermediate")
    await system.decide(WARD, shown, approve=False)
    async with system.provider_staff(WARD) as staff:
        left = await staff.items(f"/{WARD}/held-provisions", [])
    assert held["inquiry_number"] not in {one["inquiry_number"] for one in left}


def _other_permit_key(system: System) -> None:
    """The ward's server gets a register in which the core has another permit key."""
    folder = system.running.data.role("intermediate") / "register.json"
    body = json.loads(base64.b64decode(json.loads(folder.read_bytes())["register"]))
    body["permit_keys"][0]["key"] = Signer(generate_seed()).public_key.hex()
    folder.write_bytes(sign_register(body, open_authority(system.running.data.authority, Clock()()).root))


async def test_one_decision_of_several_does_not_harm_the_others(system):
    async with system.provider_staff(WARD) as staff:
        nothing = {"permit_id": "K" + "0" * 26, "approve": False, "content_hash": "", "reason": "non_disclosure"}
        several = await staff.items(f"/{WARD}/held-provisions/decide", [nothing, nothing])
        assert several == [{"problem": {"status": 404, "reason": "not_held"}}] * 2
        with pytest.raises(UnexpectedAnswerError, match="not_held"):
            await staff.items(f"/{WARD}/held-provisions/decide", [nothing])
