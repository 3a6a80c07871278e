"""Whatever comes in, the network and the resident network answer with 400, and go on."""

from __future__ import annotations

import msgspec
import pytest

from tests.adapters.bad_bodies import BROKEN, CONTENT_TYPES, DEEP
from tests.adapters.jlis_mock.surroundings import Surroundings
from tests.adapters.jlis_mock.wishes import permitted

pytestmark = pytest.mark.asyncio(loop_scope="session")
PATHS = {
    "permits": "setagaya",
    "inquiries": "setagaya",
    "late-outcomes": "naikaku",
    "codes": "resident-network",
    "log/search": "network-staff",
    "control": "network-staff",
    "code-requests": "setagaya-linkage",
    "four-items": "setagaya-linkage",
    "population": "resident-staff",
}
RESIDENT = {"code-requests", "four-items", "population"}
ITEM_WITH_DEEP_FIELDS = {
    "permits": ("request", "signature", "code"),
    "inquiries": ("permit", "public_key", "request", "signature"),
    "late-outcomes": ("permit_id", "outcome", "signature", "sealed"),
    "codes": ("acquisition_number", "person_ref"),
    "log/search": ("inquiry_number",),
    "code-requests": ("acquisition_number", "individual_number"),
    "four-items": ("individual_number",),
    "population": ("individual_number", "name"),
}


async def status(around: Surroundings, path: str, body: bytes, **headers: str) -> int:
    url = f"{around.resident_url if path in RESIDENT else around.url}/{path}"
    async with around.session(PATHS[path]).post(url, data=body, headers=headers) as response:
        problem = msgspec.json.decode(await response.read())
        if response.status != 200:
            assert problem["status"] == response.status
            assert problem["reason"].startswith("malformed_")
        return response.status


@pytest.mark.parametrize("path", PATHS)
async def test_a_broken_body_is_a_bad_request(around: Surroundings, path: str) -> None:
    assert {name: await status(around, path, body) for name, body in BROKEN.items()} == dict.fromkeys(BROKEN, 400)


@pytest.mark.parametrize("path", ITEM_WITH_DEEP_FIELDS)
async def test_a_deep_field_of_an_item_is_a_bad_request(around: Surroundings, path: str) -> None:
    for field in ITEM_WITH_DEEP_FIELDS[path]:
        for deep in DEEP.values():
            body = b'{"agency":"setagaya","items":[{"' + field.encode() + b'":' + deep + b"}]}"
            assert await status(around, path, body) == 400


@pytest.mark.parametrize("path", PATHS)
async def test_the_content_type_decides_nothing(around: Surroundings, path: str) -> None:
    for content_type in CONTENT_TYPES:
        assert await status(around, path, b'{"items":7}', **{"Content-Type": content_type}) == 400


async def test_a_permit_with_a_name_that_no_table_takes_is_unknown(around: Surroundings) -> None:
    signed, _ = await permitted(around)
    token = "e30.eyJwZXJtaXRfaWQiOiJcdTAwMDAifQ.e30"
    assert await around.peer("setagaya").present(token, signed) == {"refused": {"reason": "permit_unknown"}}
