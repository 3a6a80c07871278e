"""What an original and its copy have in common, as one keyed digest: equal digests are equal contents, without either leaving its server (SC-17)."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from datetime import date
from typing import Final

from keys.binding import bind

_LABEL: Final = b"sekisho/replica-comparison/v1"


def replica_digest(
    key: bytes,
    *,
    integrated_number: str,
    information: str,
    data_set: str,
    version: str,
    public_from: date,
    public_to: date | None,
    auto_response: str,
    items: Mapping[str, Mapping[str, str]],
    delegator: str | None,
) -> bytes:
    """32 bytes: HMAC-SHA256 of all that a copy says, under a key that lasts for one question.

    Keyed, because the digest of an account or an amount alone would be found by trying all of them.
    """
    listed = [[name, *(part for pair in sorted(items[name].items()) for part in pair)] for name in sorted(items)]
    said = bind(
        _LABEL, integrated_number, information, data_set, version, public_from.isoformat(),
        public_to.isoformat() if public_to else None, auto_response, listed, delegator,
    )  # fmt: skip
    return hmac.digest(key, said, "sha256")
