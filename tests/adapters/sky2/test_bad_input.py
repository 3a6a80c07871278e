"""Whatever comes in, SKY2 answers with 400 or refuses the row, and goes on."""

from __future__ import annotations

import secrets

import msgspec

from tests.adapters.bad_bodies import BROKEN, CONTENT_TYPES, DEEP
from tests.adapters.sky2.surroundings import STAFF

ENVELOPES = ("/insured-persons", "/ledger/receipts", "/ledger/arrears", "/refund-claims")
FORMS = (
    "/refund-claims/ask-accounts",
    "/refund-claims/list",
    "/unemployment-inquiries",
    "/unemployment-inquiries/list",
)
EMPTY_IS_A_FORM = frozenset({"/refund-claims/ask-accounts", "/refund-claims/list", "/unemployment-inquiries/list"})
ROWS_OF_THEIR_OWN = frozenset({"half a surrogate", "cut text", "deep lists in items", "deep objects in items"})


async def send(sky2, path, body, **headers):
    headers = {"Idempotency-Key": f"bad-{secrets.token_hex(8)}", **headers}
    async with sky2.sessions[STAFF].post(sky2.url + path, data=body, headers=headers) as response:
        return response.status, msgspec.json.decode(await response.read())


async def test_a_broken_body_is_a_bad_request_everywhere(sky2):
    found = {(path, name): (await send(sky2, path, body))[0] for path in FORMS for name, body in BROKEN.items()}
    found |= {(path, name): (await send(sky2, path, BROKEN[name]))[0] for path in ENVELOPES for name in BROKEN}
    good = {key for key, status in found.items() if status == 200}
    assert set(found.values()) == {200, 400}
    assert good <= {(path, "empty") for path in EMPTY_IS_A_FORM} | {
        (path, name) for path in ENVELOPES for name in ROWS_OF_THEIR_OWN
    }
    assert "internal_error" not in sky2.log()


async def test_a_bad_row_is_refused_by_its_number_and_the_others_go_on(sky2):
    deep = [b'{"addressee_number":"1","addressee_name":' + body + b"}" for body in list(DEEP.values())[:2]]
    shallow = b'{"addressee_number":"1","addressee_name":' + b"[" * 400 + b"]" * 400 + b"}"
    body = b'{"items":[' + b",".join([b'"\xff"', shallow]) + b"]}"
    status, answer = await send(sky2, "/ledger/receipts", body)
    assert (status, [one["row"] for one in answer["refused"]], answer["loaded"]) == (200, [1], 1)
    for one in deep:
        status, _ = await send(sky2, "/ledger/receipts", b'{"items":[' + one + b"]}")
        assert status in {200, 400}


async def test_a_name_that_no_table_takes_is_a_bad_request(sky2):
    for path, body in (
        ("/refund-claims/list", b'{"claim_ids":["\\u0000"]}'),
        ("/refund-claims/list", b'{"after":"\\u0000"}'),
        ("/refund-claims/ask-accounts", b'{"claim_ids":["\\u0000"]}'),
        ("/unemployment-inquiries", b'{"addressee_numbers":["\\u0000"]}'),
        ("/unemployment-inquiries/list", b'{"inquiry_keys":["\\u0000"]}'),
    ):
        assert (await send(sky2, path, body))[0] == 400


async def test_the_content_type_decides_nothing(sky2):
    for content_type in CONTENT_TYPES:
        assert (await send(sky2, "/insured-persons", b'{"items":7}', **{"Content-Type": content_type}))[0] == 400
        assert (await send(sky2, "/insured-persons", b'{"items":[]}', **{"Content-Type": content_type}))[0] == 200
