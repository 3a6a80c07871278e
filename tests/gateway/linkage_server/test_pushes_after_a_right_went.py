"""SC-13, SC-14: a push that was written while a system might see more does not leave as it is after that; one of then takes its place."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.push_ward import NUMBER, SCOPES, row, ward_of
from tests.support.review_world import individual

WITHOUT = tuple(one for one in SCOPES if one != "integrated-numbers:read")


@pytest.fixture
async def ward(world):
    async with ward_of(world, push_first_wait_s=0.5, push_attempts=3) as made:
        await made.load(row())
        await made.load(row("81"), client="sky2")
        yield made


async def written(ward):
    """A push that shows both numbers and was tried once."""
    await ward.target()
    await ward.change("individual_number_change")
    await ward.until(lambda: ward.receiver.got, "an attempt")
    first = ward.receiver.got[0]
    assert (first["individual_number"], "integrated_number" in first) == (NUMBER, True)
    return first


async def test_what_waits_to_be_sent_again_says_no_number_to_a_system_that_lost_the_right_to_it(ward):
    ward.receiver.statuses = [503]
    first = await written(ward)
    await ward.world.register("sky2", system="sky2", scopes=WITHOUT, may_use_individual_number=False)
    (push,) = await ward.pushed(1)
    assert not {"individual_number", "integrated_number"} & set(push)
    assert (push["changes"], push["delivery"] == first["delivery"]) == (first["changes"], False)
    await ward.quiet()
    kept = await ward.world.rows("select delivery_id, reason from push_delivery where state = 'dropped'")
    assert [tuple(one) for one in kept] == [(first["delivery"], "superseded")]


async def test_a_right_that_goes_in_the_midst_of_a_turn_goes_for_all_of_it(ward):
    """What is written next goes by the same rights as what leaves, so that the turn has an end."""
    people = [
        row(str(nth), individual_number=individual(nth), name=f"架空　花{nth}", address=f"架空町{nth}")
        for nth in range(2, 14)
    ]
    for client in ("kokuho", "sky2"):
        await ward.load(*people, client=client)
    await ward.target(url=f"https://{ward.host}/hangs")
    for nth in range(2, 14):
        await ward.change("address_change", addressee_number=str(nth), on=f"2026-11-{nth:02d}")
    async with asyncio.timeout(10):
        await ward.receiver.hanging.wait()
    await ward.world.register("sky2", system="sky2", scopes=WITHOUT, may_use_individual_number=False)
    ward.receiver.released.set()
    await ward.quiet()
    [dropped] = await ward.world.rows("select count(*) from push_delivery where state = 'dropped'")
    assert dropped["count"] <= 24


async def test_what_was_given_up_and_is_sent_again_says_no_number_either(ward):
    ward.receiver.statuses = [503] * 3
    first = await written(ward)

    async def given_up():
        return (await ward.get("/v1/push-targets"))["dead"] == 1

    await ward.until(given_up, "a push that was given up")
    await ward.world.register("sky2", system="sky2", scopes=SCOPES, may_use_individual_number=False)
    assert (await ward.post("/v1/pushes/resend", {"staff": "s-1"})).body == {"revived": 1}
    (push,) = await ward.pushed(1)
    assert ("individual_number" in push, push["delivery"] == first["delivery"]) == (False, False)


async def test_what_was_written_before_it_was_kept_what_it_shows_counts_as_showing_everything(ward):
    """As after an upgrade."""
    ward.receiver.statuses = [503]
    first = await written(ward)
    everything = "{name,kana,sex,birth_date,address,integrated_number,individual_number}"
    await ward.world.rows(f"update push_delivery set shows = '{everything}' where state = 'ready'")
    (push,) = await ward.pushed(1)
    assert push["bytes"] == first["bytes"]


async def test_a_file_that_is_not_in_its_folder_yet_says_no_number_to_a_system_that_lost_the_right_to_it(ward):
    out = ward.world.config.spool / "setagaya" / "sky2" / "changes" / "out"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text("")  # no folder can be made there yet
    await ward.target(kind="folder")
    await ward.change("individual_number_change")

    async def on_record():
        return await ward.world.rows("select shows from push_delivery where state = 'ready' and file is not null")

    [kept] = await ward.until(on_record, "a file that is on record")
    assert "individual_number" in kept["shows"]
    await ward.world.register("sky2", system="sky2", scopes=WITHOUT, may_use_individual_number=False)
    out.unlink()
    await ward.until(ward.file, "a file")
    await ward.quiet()
    told = "".join(one.read_text(encoding="utf-8") for one in out.glob("*.csv"))
    assert NUMBER not in told
    assert ",81,,," in told
