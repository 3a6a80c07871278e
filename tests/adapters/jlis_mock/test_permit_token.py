"""A permit's claims are written in canonical form, whatever stands in them: who reads them compares bytes."""

from __future__ import annotations

import base64

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from adapters.jlis_mock.core.permit_token import PermitClaims, write_permit
from evidence import canonical
from keys.signing import Signer, generate_seed

SIGNER = Signer(generate_seed())
TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
NAMES = [
    name
    for name in PermitClaims.__struct_fields__
    if name not in {"v", "items", "basis", *PermitClaims.__struct_fields__[-4:]}
]


@given(
    texts=st.fixed_dictionaries(dict.fromkeys(NAMES, TEXT)),
    items=st.lists(TEXT, max_size=4),
    basis=st.none() | TEXT,
    more=st.fixed_dictionaries({}, optional={"period": TEXT, "non_disclosure": st.just(True), "provider_for": TEXT}),
)
def test_claims_are_canonical(texts, items, basis, more):
    claims = PermitClaims(**texts, items=items, basis=basis, **more)
    body = write_permit(claims, SIGNER).split(".")[1]
    written = base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))
    assert written == canonical.encode(msgspec.to_builtins(claims))
    assert canonical.decode(written) == msgspec.to_builtins(claims)
