"""SC-15: a backup of SKY2 is made by an administrator's order alone, once for each, and brings back no number that went since."""

from __future__ import annotations

import io
import signal
from datetime import timedelta

import aiohttp
import pytest

from adapters.sky2 import backing_up, restoring
from codebook.identifiers import new_sortable_id
from evidence import orders
from evidence.orders import Order, OrderKind
from keys.signing import Signer, generate_seed
from keys.windows import PublicKeys
from storage.backups.filling import Restored, RestoreRefusedError, Target, verify
from storage.backups.form import BackedUp, BackupBrokenError, read_head
from storage.erasure_journal import ErasureJournal
from storage.fault_points import REGISTRY
from storage.migrations import Login, Tenant, migrate
from synthetic.business import AccountCase
from tests.adapters.sky2.surroundings import (
    ADDRESSEES,
    BACKUP_KEY,
    STAFF,
    WARD_SIGNER,
    account_answer,
    claim_row,
    people,
    person_row,
)
from transport.clock import Clock

[ANN, BEN, CAT, DAN] = people(AccountCase.OWN_NAME, 4)
FORMER = people(AccountCase.ANOTHER_NAME, 1)[0].individual_number
POINTS = sorted(name for name in REGISTRY if name.startswith("backup.commit.sky2."))


def ordered(
    act=OrderKind.BACKUP_MAKE, *, signer=WARD_SIGNER, server="sky2", agency="setagaya", ago_s=0, **facts
) -> str:
    now = Clock()()
    return orders.sign(
        act,
        order_id=new_sortable_id("O", int(now.timestamp() * 1000), now.microsecond.to_bytes(10)),
        agency=agency,
        server=server,
        people=("admin-1",),
        facts=facts,
        signer=signer,
        now=now - timedelta(seconds=ago_s),
    )


async def carried(sky2, order: str, *, who=STAFF, agency="setagaya") -> tuple[int, bytes]:
    async with sky2.sessions[who].post(f"{sky2.url}/backups/{agency}", data=order.encode()) as answer:
        return answer.status, await answer.read()


async def refused(sky2, order: str, **how) -> str:
    status, body = await carried(sky2, order, **how)
    assert status >= 400
    return body.decode()


def log_keys(sky2) -> PublicKeys:
    return PublicKeys.of(sky2.keys().ring.signer("log").public_key)


# --- who may


async def test_without_the_agencys_order_for_exactly_this_nothing_is_made(sky2):
    assert "order_signature_invalid" in await refused(sky2, ordered(signer=Signer(generate_seed())))
    assert "order_for_another_server" in await refused(sky2, ordered(server="linkage"))
    assert "order_for_another_act" in await refused(sky2, ordered(OrderKind.BACKUP_RESTORE, backup="B" + "0" * 26))
    assert "order_of_another_agency" in await refused(sky2, ordered(agency="suginami"))
    assert "order_over" in await refused(sky2, ordered(ago_s=601))
    assert "order_malformed" in await refused(sky2, "{}")
    assert "agency_not_hosted" in await refused(sky2, ordered(), agency="suginami")
    assert "certificate_for_another_use" in await refused(sky2, ordered(), who="staff-elsewhere")
    assert await sky2.fetch("select 1 from carried_order") == []
    assert "order_signature_invalid" in sky2.log()


async def test_an_order_is_good_once(sky2):
    order = ordered()
    assert (await carried(sky2, order))[0] == 200
    assert "order_carried_out" in await refused(sky2, order)
    assert (await carried(sky2, ordered()))[0] == 200


async def test_without_a_backup_key_none_is_made(sky2):
    (sky2.folder / "backup" / "setagaya.public").unlink()
    assert "backup_key_missing" in await refused(sky2, ordered())


async def test_nothing_readable_lies_in_it(sky2):
    await sky2.load([ANN])
    name = {"addressee_number": ADDRESSEES.number(ANN), "addressee_name": {"氏名": ANN.name}}
    await sky2.ok("/ledger/receipts", {"items": [name]})
    _, data = await carried(sky2, ordered())
    for word in (ANN.name, ANN.individual_number, ADDRESSEES.number(ANN), "insured_person"):
        assert word.encode() not in data, word


@pytest.mark.parametrize("point", POINTS)
async def test_a_server_that_dies_over_a_backup_makes_another_one_by_another_order(unstarted, point):
    sky2, order = unstarted, ordered()
    victim = await sky2.start(fault=point)
    await sky2.ready()
    with pytest.raises(aiohttp.ClientError):
        await carried(sky2, order)
    assert await victim.wait() == -signal.SIGKILL
    await sky2.start()
    await sky2.ready()
    status, data = await carried(sky2, ordered())
    assert (status, verify(io.BytesIO(data), BACKUP_KEY.private, log_keys(sky2))["insured_person"]) == (200, 0)


def test_both_commits_of_a_backup_are_declared():
    assert len(POINTS) == 2 * 2


# --- what is there again, and what is not


@pytest.fixture
async def lost(sky2, sky2_postgres):
    """A backup, what happens after it, and the schema empty again: the file."""
    await sky2.load([ANN, BEN, CAT, DAN])
    row = {"addressee_number": ADDRESSEES.number(ANN), "addressee_individual_number": ANN.individual_number}
    await sky2.ok("/ledger/receipts", {"items": [row, {**row, "addressee_number": "1"}]})
    await sky2.ok("/refund-claims", {"items": [claim_row(CAT, "claim-1")]})
    await sky2.ok("/push-target", {})
    _, data = await carried(sky2, ordered())
    taken = {"addressee_numbers": [ADDRESSEES.number(ANN)], "items": {}, "individual_number": ""}
    assert await sky2.push(taken, delivery="sky2-p1") == (200, {"updated": 1})
    told = {"addressee_numbers": [ADDRESSEES.number(BEN)], "items": {}, "individual_number": FORMER}
    assert await sky2.push(told, delivery="sky2-p2") == (200, {"updated": 1})
    await sky2.ok("/insured-persons", {"items": [{**person_row(DAN), "individual_number": FORMER}, person_row(CAT)]})
    sky2.peer.scripts[ADDRESSEES.number(CAT)] = [account_answer(CAT)]
    await sky2.ok("/refund-claims/ask-accounts", {}, who="another-member")
    await sky2.stop()
    await sky2.admin.execute(f"drop schema {sky2.schema} cascade")
    tenant = Tenant(schema=sky2.schema, packages=("adapters.sky2",))
    login = Login(name=f"{sky2.schema}_login", password="sky2-test", tenants=(sky2.schema,))
    await migrate(sky2_postgres[1], [tenant], [login])
    return io.BytesIO(data)


def target(sky2, **changes) -> Target:
    found = {
        "agency": "setagaya",
        "database": BackedUp.SKY2,
        "schema": sky2.schema,
        "private": BACKUP_KEY.private,
        "log_keys": log_keys(sky2),
        "journal": ErasureJournal.beside(sky2.folder / "setagaya.keys", sky2.keys().ring),
        "now": Clock()(),
        "left_out": backing_up.LEFT_OUT,
    }
    return Target(**{**found, **changes})


def to_restore(backup_id: str) -> Order:
    signed = ordered(OrderKind.BACKUP_RESTORE, backup=backup_id).encode()
    keys = PublicKeys.of(WARD_SIGNER.public_key)
    return orders.read(signed, keys, kind=OrderKind.BACKUP_RESTORE, agency="setagaya", server="sky2", now=Clock()())


async def restored(sky2, file, *, backup_id="", **changes) -> Restored:
    file.seek(0)
    order = to_restore(backup_id or read_head(file)[0].backup_id)
    file.seek(0)
    return await restoring.restore(sky2.admin, file, target(sky2, **changes), order)


async def test_people_ledgers_and_claims_come_back_without_the_numbers_that_went(sky2, lost):
    found = await restored(sky2, lost)
    assert (found.erased, found.tables["insured_person"], found.tables["refund_claim"]) == (3, 4, 1)
    people_now = await sky2.fetch("select addressee_number, individual_number is not null as held from insured_person")
    gone = {ADDRESSEES.number(one): False for one in (ANN, BEN, DAN)}
    assert dict(map(tuple, people_now)) == {**gone, ADDRESSEES.number(CAT): True}
    ledger = await sky2.fetch("select addressee_number, addressee_individual_number is not null from receipts_ledger")
    assert dict(map(tuple, ledger)) == {ADDRESSEES.number(ANN): False, "1": True}


async def test_a_restored_sky2_takes_no_push_until_staff_agree_on_a_secret_anew(sky2, lost):
    await restored(sky2, lost)
    await sky2.start()
    await sky2.ready()
    told = {"addressee_numbers": [ADDRESSEES.number(ANN)], "items": {}, "individual_number": ANN.individual_number}
    status, problem = await sky2.push(told, delivery="sky2-p3")
    assert (status, problem["reason"]) == (401, "push_secret_missing")
    await sky2.ok("/push-target", {})
    assert await sky2.push(told, delivery="sky2-p3") == (200, {"updated": 1})


async def test_a_claim_that_was_asked_about_since_is_asked_about_again_by_whoever_asks(sky2, lost):
    await restored(sky2, lost)
    await sky2.start()
    await sky2.ready()
    assert (await sky2.claims())["claim-1"]["state"] == "claimed"
    await sky2.ok("/refund-claims/ask-accounts", {})
    assert (await sky2.claims())["claim-1"]["state"] == "matched"
    assert (sky2.peer.conflicts, len(sky2.peer.kept)) == (0, 2)


async def test_a_restore_takes_an_order_for_this_backup_a_file_that_sky2_has_made_and_an_empty_schema(sky2, lost):
    with pytest.raises(RestoreRefusedError, match="order_for_another_backup"):
        await restored(sky2, lost, backup_id="B" + "0" * 26)
    with pytest.raises(BackupBrokenError):
        await restored(sky2, lost, log_keys=PublicKeys.of(WARD_SIGNER.public_key))
    with pytest.raises(RestoreRefusedError, match="backup_of_another_database"):
        await restored(sky2, lost, database=BackedUp.LINKAGE)
    assert await sky2.fetch("select 1 from insured_person") == []
    await restored(sky2, lost)
    with pytest.raises(RestoreRefusedError, match="schema_not_empty"):
        await restored(sky2, lost)


async def test_a_number_that_is_told_again_as_it_is_does_not_go(sky2):
    await sky2.load([ANN])
    journal = sky2.folder / "setagaya.erased"
    await sky2.load([ANN])
    assert not journal.exists()
    await sky2.ok("/insured-persons", {"items": [{**person_row(ANN), "individual_number": FORMER}]})
    assert len(journal.read_text().split()) == 2
