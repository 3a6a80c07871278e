"""IS-8: SKY2's rows come under a new version of every key while staff and the linkage server go on, and the old versions may go then."""

from __future__ import annotations

import pytest

from adapters.sky2.resealing import PURPOSES, counts_of
from adapters.sky2.seals import Seals
from storage.resealing.rows import OTHERS
from synthetic.business import AccountCase
from tests.adapters.sky2.linkage_peer import answered
from tests.adapters.sky2.surroundings import ADDRESSEES, BUSINESS, account_answer, claim_row, people
from tests.support.running_system import until

AT_ONCE = [{"reseal_settle_s": 0, "reseal_share": 1}]
[ANN, BEN] = people(AccountCase.OWN_NAME, 2)
LEAVER = next(one for one in people(AccountCase.OWN_NAME, 500) if BUSINESS.is_unemployed(one) and one not in (ANN, BEN))
NUMBER = ADDRESSEES.number(ANN)
ROW = {
    "addressee_number": NUMBER,
    "addressee_individual_number": ANN.individual_number,
    "addressee_accounts": [{"口座番号": "7654321"}],
}
DEBIT = {"other_direct_debit": {"口座番号": "1234567"}}
LEDGERS = ["receipts_ledger", "arrears_ledger"]
NO_SEALS = {
    ("refund_claim", "inquiry"),
    ("unemployment_inquiry", "inquiry"),
    ("staff_request", "digest"),
    ("migration", "sha256"),
}


async def fill(sky2) -> str:
    """A row under every purpose; the key of an inquiry about benefits."""
    await sky2.load([ANN, LEAVER])
    await sky2.ok("/ledger/receipts", {"items": [{**ROW, **DEBIT}, {"addressee_number": NUMBER}]})
    await sky2.ok("/ledger/arrears", {"items": [ROW]})
    sky2.peer.scripts[NUMBER] = [account_answer(ANN)]
    await sky2.ok("/refund-claims", {"items": [claim_row(ANN, "claim-1")]})
    await sky2.ok("/refund-claims/ask-accounts", {})
    found = [
        (one.data_set, one.wire_items())
        for one in BUSINESS.unemployment(LEAVER, system="kosei-rodo", addressee_number="1")
    ]
    sky2.peer.scripts[ADDRESSEES.number(LEAVER)] = [answered(*found[0], *found[1:])]
    answer = await sky2.ok("/unemployment-inquiries", {"addressee_numbers": [ADDRESSEES.number(LEAVER)]})
    await sky2.ok("/push-target", {})
    return answer["items"][0]["inquiry_key"]


def rotate(sky2):
    with sky2.keys().changing() as ring:
        for purpose in PURPOSES:
            ring.rotate(purpose)


async def left(sky2, version: int) -> dict[str, int]:
    return {
        purpose: sum([await sky2.admin.fetchval(count, version, OTHERS) for count in counts_of(purpose)])
        for purpose in PURPOSES
    }


async def ended(sky2) -> list[tuple]:
    rows = await sky2.fetch("select purpose, unreadable, reason from resealing where finished_at is not null")
    return sorted(tuple(row) for row in rows)


async def seen(sky2, key: str) -> list:
    """What staff and the linkage server have of it."""
    benefits = await sky2.ok("/unemployment-inquiries/list", {"inquiry_keys": [key]})
    moved = {"addressee_numbers": [NUMBER], "items": {"address": "東京都世田谷区見本町1-1"}}
    pushed = await sky2.push(moved, delivery=f"sky2-p{sky2.requests}")
    return [await sky2.claims(), benefits, pushed]


def opened(sky2, rows) -> list:
    seals = Seals(sky2.keys())
    return [
        (
            seals.open_individual_number(row[1], f"{row[0]}.addressee_individual_number", NUMBER),
            seals.open_ledger_item(row[2], f"{row[0]}.addressee_accounts", NUMBER),
        )
        for row in rows
    ]


async def of_the_ledgers(sky2) -> list:
    return [
        (ledger, *row)
        for ledger in LEDGERS
        for row in await sky2.fetch(
            f"select addressee_individual_number, addressee_accounts from {ledger} where addressee_accounts is not null"
        )
    ]


@pytest.mark.parametrize("unstarted", AT_ONCE, indirect=True)
async def test_is_8_every_row_comes_under_the_new_keys_and_is_read_when_the_old_ones_are_gone(sky2):
    key = await fill(sky2)
    before = await seen(sky2, key)
    in_ledgers = opened(sky2, await of_the_ledgers(sky2))
    assert set((await left(sky2, 2)).values()) != {0}
    rotate(sky2)
    await sky2.load([BEN])
    assert await until(lambda: ended(sky2), lambda found: len(found) == len(PURPOSES)) == sorted(
        (purpose, 0, None) for purpose in PURPOSES
    )
    assert set((await left(sky2, 2)).values()) == {0}
    with sky2.keys().changing() as ring:
        for purpose in PURPOSES:
            ring.destroy(purpose, 1)
    await sky2.stop()
    await sky2.start()
    await sky2.ready()
    assert await seen(sky2, key) == before
    assert opened(sky2, await of_the_ledgers(sky2)) == in_ledgers
    assert len(in_ledgers) == 2


async def sealed_columns(sky2) -> list[tuple[str, str]]:
    """Table and column of everything that is kept as bytes, without what is no seal."""
    rows = await sky2.fetch(
        "select table_name, column_name from information_schema.columns where table_schema = current_schema() and data_type = 'bytea'"
    )
    return sorted({(row["table_name"], row["column_name"]) for row in rows} - NO_SEALS)


@pytest.mark.parametrize("unstarted", AT_ONCE, indirect=True)
async def test_no_sealed_column_is_forgotten(sky2):
    await fill(sky2)
    rotate(sky2)
    await until(lambda: ended(sky2), lambda found: len(found) == len(PURPOSES))
    under = {
        (table, column): {
            int.from_bytes(row["version"])
            for row in await sky2.fetch(
                f"select substring({column} from 2 for 4) as version from {table} where {column} is not null"
            )
        }
        for table, column in await sealed_columns(sky2)
    }
    assert under == {column: {2} for column in under}
    assert len(under) == 10


@pytest.mark.parametrize("unstarted", AT_ONCE, indirect=True)
async def test_a_row_that_nobody_can_open_stays_and_is_told(sky2):
    await sky2.load([ANN, BEN])
    await sky2.admin.execute(
        "update insured_person set personal = set_byte(personal, 40, 255 - get_byte(personal, 40)) where addressee_number = $1",
        NUMBER,
    )
    rotate(sky2)
    found = await until(lambda: ended(sky2), lambda found: "insured-person" in {one[0] for one in found})
    assert ("insured-person", 1, "rows_unreadable") in found
    assert (await left(sky2, 2))["insured-person"] == 1
