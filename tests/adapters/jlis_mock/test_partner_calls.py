"""Whatever the network offers an agency's server, the library for whoever connects one can call."""

from __future__ import annotations

import pytest
import yaml

from partner import asking, calling, connection
from tests.adapters.jlis_mock.surroundings import Surroundings
from tests.adapters.jlis_mock.wishes import acquire, permitted
from tests.house.sources import ROOT

pytestmark = pytest.mark.asyncio(loop_scope="session")
STAFF_OR_OTHERS = {
    "/codes",
    "/code-epochs/announce",
    "/list-versions/publish",
    "/log",
    "/log/search",
    "/control",
    "/openapi.json",
}


async def test_every_path_of_the_network_for_agencies_has_a_call() -> None:
    document = yaml.load((ROOT / "docs/openapi/network.yaml").read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    called = "".join(
        (ROOT / f"{one.__name__.replace('.', '/')}.py").read_text() for one in (asking, calling, connection)
    )
    paths = set(document["paths"]) - STAFF_OR_OTHERS
    assert {path for path in paths if f'{path}"' not in called} == set()


async def test_a_permit_is_taken_back_and_presented_in_vain(around: Surroundings) -> None:
    peer = around.peer("setagaya")
    signed, permit = await permitted(around)
    permit_id = str(asking.permit_claims(permit)["permit_id"])
    assert await peer.revoke_permits([permit_id, permit_id]) == [{"revoked": True}] * 2
    assert await peer.present(permit, signed) == {"refused": {"reason": "permit_revoked"}}


async def test_lists_epochs_codes_and_checkpoints_are_asked_for(around: Surroundings) -> None:
    peer = around.peer("setagaya")
    versions = await peer.list_versions()
    assert versions
    assert await peer.list_versions(held=len(versions)) == []
    epochs = await peer.code_epochs()
    assert (epochs["agency"], epochs["newest"]) == ("setagaya", 1)
    code = await acquire(around, "setagaya", 1)
    (renewed,) = await peer.renew_codes([code])
    assert calling.text(code) == renewed["code"]
    assert await peer.held_checkpoint("sekisho.example/setagaya/intermediate/2099") is None
    late = {"outcome": "", "signature": "", "sealed": None}
    assert await peer.late_outcome("K" + "0" * 26, late) == {"refused": {"reason": "permit_unknown"}}
