"""A secret that was ended stays ended, and its tokens with it (SC-2, docs/adr/0029)."""

from __future__ import annotations

from tests.gateway.linkage_server.test_clients import KANRI, admin_of, use


async def test_the_call_that_made_a_secret_does_not_make_it_again_once_it_has_been_ended(world):
    await world.register("kanri", system="kanri", scopes=KANRI, may_use_individual_number=False)
    async with world.served() as caller:
        admin = await admin_of(world, caller)
        made = await admin.do("rotate", key="rotate")
        token = (await caller.token_answer("kokuho", made.body["client_secret"])).body["access_token"]
        used = [await use(caller, token)]
        await admin.do("end_secret", secret_id=made.body["secrets"][1]["secret_id"])
        again = await admin.do("rotate", key="rotate")
        used.append(await use(caller, token))
        other = await admin.do("rotate", key="another")
    assert (again.status, again.body["reason"], other.status) == (409, "secret_ended", 200)
    assert used == [200, (401, "token_revoked")]
