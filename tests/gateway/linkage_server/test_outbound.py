from __future__ import annotations

from gateway.linkage_server.outbound import Outbound
from transport import channel
from transport.tls import client_context


async def test_a_list_that_would_be_longer_than_a_server_takes_goes_in_parts(world):
    """Records of a layout with long texts: a list that is refused for its length would come again and again."""
    items = [{"record_id": f"r{nth}", "items": "模" * 2_000_000} for nth in range(5)]
    identity = world.config.hosted["setagaya"].identity
    async with (
        world.neighbours.running(world.neighbour_identity) as url,
        channel.session(client_context(identity, identity.ca)) as client,
    ):
        peers = {"intermediate/setagaya": url}
        outbound = Outbound(client, "setagaya", peers, checkpoint=lambda: None, keep_note=lambda _note: None)
        answers = await outbound.ask_list(outbound.intermediate("replicas"), items, step=None)
    assert answers == [{"registered": True}] * 5
    assert world.neighbours.lists == [("replicas", 2), ("replicas", 2), ("replicas", 1)]
    assert list(world.neighbours.replicas) == [one["record_id"] for one in items]
