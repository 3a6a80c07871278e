"""What finds the row of a code says nothing of whose it is: whoever moves it in the database has nobody answered with another person's copies (SC-20, SC-18)."""

from __future__ import annotations

import secrets

from gateway.intermediate_server.codes import binding
from tests.gateway.provision.test_ended_codes import code, renewed, somebody, told
from tests.support.copies import qualified


async def indexed(world, number: str) -> bytes:
    [row] = await world.fetch("select code_index from person_code where integrated_number = $1", number)
    index: bytes = row["code_index"]
    return index


async def test_sc_20_a_code_whose_index_was_moved_to_another_row_names_nobody(world):
    asked_about, other = await world.person(), await world.person()
    await qualified(world, other)
    moved = await indexed(world, asked_about)
    await world.execute("update person_code set code_index = $2 where integrated_number = $1", asked_about, b"x" * 32)
    await world.execute("update person_code set code_index = $2 where integrated_number = $1", other, moved)
    answer = await world.ask(world.question(asked_about))
    assert (answer.disposition, answer.payload.kind) == ("not_provided", "no_such_person")


async def test_sc_20_a_code_that_was_moved_with_its_seal_names_nobody(world):
    asked_about, other = await world.person(), await world.person()
    await qualified(world, other)
    await world.execute("delete from person_code where integrated_number = $1", other)
    await world.execute(
        "update person_code set integrated_number = $2 where integrated_number = $1", asked_about, other
    )
    answer = await world.ask(world.question(asked_about))
    assert (answer.disposition, answer.payload.kind) == ("not_provided", "no_such_person")


async def test_sc_20_a_code_for_a_request_that_was_moved_to_another_person_is_bound_to_nobody(world):
    asked_for, other = (f"96{secrets.randbelow(10**13):013d}" for _ in range(2))
    wanted = [binding.NumberItem(integrated_number=asked_for)]
    [given] = await binding.request_numbers(world.agency, wanted, world.now)
    await world.execute("update person_code set integrated_number = $2 where integrated_number = $1", asked_for, other)
    item = binding.CodeItem(acquisition_number=given["acquisition_number"], code=code())
    assert await binding.bind_codes(world.agency, [item], world.now) == [
        {"refused": {"reason": "acquisition_number_unknown"}}
    ]
    await world.execute("update person_code set integrated_number = $2 where integrated_number = $1", other, asked_for)
    assert await binding.bind_codes(world.agency, [item], world.now) == [{"bound": True}]


async def test_sc_20_a_replaced_code_that_was_put_into_another_persons_past_is_answered_about_nobody(world):
    asked_about, other = await world.person(), await world.person()
    await qualified(world, other)
    await world.execute(
        "insert into former_code (acquisition_index, integrated_number, code_index, state, reason, ended_at)"
        " values ($1, $2, $3, 'replaced', 'new_epoch', $4)",
        secrets.token_bytes(32), other, await indexed(world, asked_about), world.now,
    )  # fmt: skip
    await world.execute("delete from person_code where integrated_number = $1", asked_about)
    assert await told(world, "somebody", world.codes[asked_about]) == ("refused", "code_replaced")


async def test_sc_20_a_code_that_was_moved_is_answered_to_by_nobody_when_it_is_replaced_too(world):
    asked_about, other = [await somebody(world) for _ in range(2)]
    moved = await indexed(world, asked_about[0])
    await world.execute(
        "update person_code set code_index = $2 where integrated_number = $1", asked_about[0], b"y" * 32
    )
    await world.execute("update person_code set code_index = $2 where integrated_number = $1", other[0], moved)
    await renewed(world, other[0], code(2))
    assert await told(world, asked_about[0], asked_about[1]) == ("refused", "code_replaced")
