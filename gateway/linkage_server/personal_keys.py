"""What is sealed under which key, bound to which row (DESIGN §5). The only place that names the purposes of the agency's ring."""

from __future__ import annotations

from typing import Final

import msgspec

from keys import labels
from keys.binding import bind
from keys.masked import Secret
from keys.ring import Keyring

INDIVIDUAL_NUMBER: Final = "individual-number"
INDIVIDUAL_NUMBER_INDEX: Final = "individual-number-index"
FOUR_ITEMS: Final = "four-items"
ISSUING: Final = "integrated-number-issuing"
REVIEW: Final = "review-hold"
REQUEST_DIGEST: Final = "request-digest"
PURPOSES: Final = (INDIVIDUAL_NUMBER, INDIVIDUAL_NUMBER_INDEX, FOUR_ITEMS, ISSUING, REVIEW, REQUEST_DIGEST)

_TEXTS = msgspec.json.Decoder(list[str])
_REVIEW_LABEL: Final = b"sekisho/review-hold/v1"
_RETRY_LABEL: Final = b"sekisho/retry-identity/v1"
_QUESTION_LABEL: Final = b"sekisho/desk-question/v1"


def _row(label: bytes, integrated_number: int) -> bytes:
    """The context of a row: a label and 15 digits, so no two contexts run into each other. Cheaper than `bind`, and on the path of every person."""
    return b"%b/%015d" % (label, integrated_number)


class PersonalKeys:
    """Seals and opens what the linkage server knows of people. Texts of the four items travel as name, kana, sex, birth date, address."""

    def __init__(self, ring: Keyring) -> None:
        self._ring = ring

    def issuing_key(self) -> Secret:
        """32 bytes under which counters become integrated numbers; version 1 for ever, or numbers could repeat."""
        return Secret(self._ring.index(ISSUING, b"sekisho/issuing/v1", version=1))

    def index_of(self, individual_number: str) -> bytes:
        return self._ring.index(INDIVIDUAL_NUMBER_INDEX, individual_number.encode())

    def seal_individual_number(self, individual_number: str, integrated_number: int) -> bytes:
        return self._ring.encrypt_siv(
            INDIVIDUAL_NUMBER, individual_number.encode(), _row(labels.INDIVIDUAL_NUMBER, integrated_number)
        )

    def open_individual_number(self, sealed: bytes, integrated_number: int) -> str:
        """For the resident network alone (LS-4)."""
        return self._ring.decrypt_siv(
            INDIVIDUAL_NUMBER, sealed, _row(labels.INDIVIDUAL_NUMBER, integrated_number)
        ).decode()

    def seal_four_items(self, encoded: bytes, integrated_number: int) -> bytes:
        return self._ring.encrypt(FOUR_ITEMS, encoded, _row(labels.FOUR_ITEMS, integrated_number))

    def open_four_items(self, sealed: bytes, integrated_number: int) -> list[str]:
        return _TEXTS.decode(self._ring.decrypt(FOUR_ITEMS, sealed, _row(labels.FOUR_ITEMS, integrated_number)))

    def seal_for_review(self, encoded: bytes, hold_id: str) -> bytes:
        return self._ring.encrypt(REVIEW, encoded, bind(_REVIEW_LABEL, hold_id))

    def digest_of_request(self, body: bytes) -> bytes:
        """A keyed digest: an unkeyed one of a request with one number in it would be found by trying all numbers."""
        return self._ring.index(REQUEST_DIGEST, body)

    def digest_of_question(self, encoded: bytes) -> bytes:
        """Keyed, 32 bytes: what was asked of the desk under a retry identity."""
        return self._ring.index(REQUEST_DIGEST, bind(_QUESTION_LABEL, encoded))

    def retry_identity(self, client_id: str, path: str, key: str, position: int) -> str:
        """`<client id>/<64 hex digits>` for an Idempotency-Key and a place in its list: the key itself is stored and sent nowhere.

        Up to 145 characters. Retries across a change of the ring's `request-digest` key are new requests.
        """
        digest = self._ring.index(REQUEST_DIGEST, bind(_RETRY_LABEL, client_id, path, key, position))
        return f"{client_id}/{digest.hex()}"
