"""What is sealed under which key, bound to which row (DESIGN §5). The only place that names the purposes of the agency's ring."""

from __future__ import annotations

from collections.abc import Sequence
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
EVENT_KEY: Final = "person-event-key"
ACCESS_REASON: Final = "access-reason"
ACCESS_SUBJECT: Final = "access-subject"
SEARCH_INDEX: Final = "search-index"
SEARCH_CURSOR: Final = "search-cursor"
PUSH: Final = "push"
BUSINESS_INFORMATION: Final = "business-information"
INQUIRY_LINE: Final = "inquiry-line"
PURPOSES: Final = (
    INQUIRY_LINE,
    BUSINESS_INFORMATION,
    INDIVIDUAL_NUMBER,
    INDIVIDUAL_NUMBER_INDEX,
    FOUR_ITEMS,
    ISSUING,
    REVIEW,
    REQUEST_DIGEST,
    EVENT_KEY,
    ACCESS_REASON,
    ACCESS_SUBJECT,
    SEARCH_INDEX,
    SEARCH_CURSOR,
    PUSH,
)

_ORIGINAL_LABEL: Final = b"sekisho/original/v1"
_TEXTS = msgspec.json.Decoder(list[str])
_REVIEW_LABEL: Final = b"sekisho/review-hold/v1"
_DECISION_LABEL: Final = b"sekisho/review-decision/v1"
_ROW_LABEL: Final = b"sekisho/held-row/v1"
_RETRY_LABEL: Final = b"sekisho/retry-identity/v1"
_EVENT_LABEL: Final = b"sekisho/person-event/v1"
_EVENT_KEY_LABEL: Final = b"sekisho/person-event-key/v1"
_CANDIDATE_LABEL: Final = b"sekisho/change-candidate/v1"
_QUESTION_LABEL: Final = b"sekisho/desk-question/v1"
_LINE_LABEL: Final = b"sekisho/inquiry-line/v1"
_LINE_IDENTITY_LABEL: Final = b"sekisho/inquiry-line-identity/v1"
_ACCESS_REASON_LABEL: Final = b"sekisho/access-reason/v1"
_PURPOSE_LABEL: Final = b"sekisho/desk-purpose/v1"
_ACCESS_SUBJECT_LABEL: Final = b"sekisho/access-subject/v1"
_ACCESS_COMMITMENT_LABEL: Final = b"sekisho/access-commitment/v1"
_OF_THE_DESK: Final = "/desk/"
_PUSH_LABEL: Final = b"sekisho/push/v1"
_PUSH_SECRET_LABEL: Final = b"sekisho/push-secret/v1"


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

    def index_of(self, individual_number: str, version: int | None = None) -> bytes:
        """Under which a person is kept; by the primary version unless told."""
        return self._ring.named_index(INDIVIDUAL_NUMBER_INDEX, individual_number.encode(), version=version)

    def indexes_of(self, individual_number: str) -> tuple[bytes, ...]:
        """What a person is looked for by: one for each version that opens."""
        return self._ring.named_indexes(INDIVIDUAL_NUMBER_INDEX, individual_number.encode())

    def index_version(self) -> int:
        """The version under which people are kept now."""
        return self._ring.primary(INDIVIDUAL_NUMBER_INDEX)

    def index_is_changing(self) -> bool:
        """Whether people may be kept under another version yet."""
        return len(self._ring.opening(INDIVIDUAL_NUMBER_INDEX)) > 1

    def seal_individual_number(self, individual_number: str, integrated_number: int) -> bytes:
        return self._ring.encrypt_siv(
            INDIVIDUAL_NUMBER, individual_number.encode(), _row(labels.INDIVIDUAL_NUMBER, integrated_number)
        )

    def seal_individual_numbers(self, people: Sequence[tuple[str, int]]) -> list[bytes]:
        """As `seal_individual_number` for each (individual number, integrated number) of a load."""
        label = labels.INDIVIDUAL_NUMBER
        return self._ring.encrypt_siv_many(
            INDIVIDUAL_NUMBER, [(individual.encode(), _row(label, number)) for individual, number in people]
        )

    def open_individual_number(self, sealed: bytes, integrated_number: int) -> str:
        """For the resident network alone (LS-4)."""
        return self._ring.decrypt_siv(
            INDIVIDUAL_NUMBER, sealed, _row(labels.INDIVIDUAL_NUMBER, integrated_number)
        ).decode()

    def seal_four_items(self, encoded: bytes, integrated_number: int) -> bytes:
        return self._ring.encrypt(FOUR_ITEMS, encoded, _row(labels.FOUR_ITEMS, integrated_number))

    def seal_four_items_of(self, people: Sequence[tuple[bytes, int]]) -> list[bytes]:
        """As `seal_four_items` for each (encoded items, integrated number) of a load."""
        label = labels.FOUR_ITEMS
        return self._ring.encrypt_many(FOUR_ITEMS, [(encoded, _row(label, number)) for encoded, number in people])

    def open_four_items(self, sealed: bytes, integrated_number: int) -> list[str]:
        return _TEXTS.decode(self._ring.decrypt(FOUR_ITEMS, sealed, _row(labels.FOUR_ITEMS, integrated_number)))

    def seal_original(self, items: bytes, said: bytes) -> bytes:
        """Items of business information, bound to all that stands in clear beside them."""
        return self._ring.encrypt(BUSINESS_INFORMATION, items, _ORIGINAL_LABEL + said)

    def open_original(self, sealed: bytes, said: bytes) -> bytes:
        """Raises SealBroken, KeyUnusable."""
        return self._ring.decrypt(BUSINESS_INFORMATION, sealed, _ORIGINAL_LABEL + said)

    def event_key(self, system: str, event_id: str) -> str:
        """64 hex digits for a sender's event id, which may hold a number of a person; version 1 for ever, or a replay would be a new event."""
        return self._ring.index(EVENT_KEY, bind(_EVENT_KEY_LABEL, system, event_id), version=1).hex()

    def event_digest(self, encoded: bytes) -> bytes:
        """Keyed, 32 bytes: what an event said, so that another one under its id shows. Version 1 for ever, as `event_key`."""
        return self._ring.index(EVENT_KEY, encoded, version=1)

    def digest_of_candidate(self, encoded: bytes) -> bytes:
        """Keyed, 32 bytes: what a candidate of a change says. Version 1 for ever, as `event_key`: it is part of an event id."""
        return self._ring.index(EVENT_KEY, bind(_CANDIDATE_LABEL, encoded), version=1)

    def seal_event(self, encoded: bytes, integrated_number: int, event_key: str) -> bytes:
        return self._ring.encrypt(FOUR_ITEMS, encoded, bind(_EVENT_LABEL, integrated_number, event_key))

    def open_event(self, sealed: bytes, integrated_number: int, event_key: str) -> bytes:
        return self._ring.decrypt(FOUR_ITEMS, sealed, bind(_EVENT_LABEL, integrated_number, event_key))

    def seal_for_review(self, encoded: bytes, hold_id: str) -> bytes:
        return self._ring.encrypt(REVIEW, encoded, bind(_REVIEW_LABEL, hold_id))

    def open_for_review(self, sealed: bytes, hold_id: str) -> bytes:
        return self._ring.decrypt(REVIEW, sealed, bind(_REVIEW_LABEL, hold_id))

    def seal_decision(self, encoded: bytes, decision_id: str) -> bytes:
        return self._ring.encrypt(REVIEW, encoded, bind(_DECISION_LABEL, decision_id))

    def open_decision(self, sealed: bytes, decision_id: str) -> bytes:
        return self._ring.decrypt(REVIEW, sealed, bind(_DECISION_LABEL, decision_id))

    def digest_of_decision(self, encoded: bytes) -> bytes:
        """Keyed, 32 bytes: what an approval approves."""
        return self._ring.index(REQUEST_DIGEST, bind(_DECISION_LABEL, encoded))

    def digest_of_row(self, encoded: bytes) -> bytes:
        """Keyed, 32 bytes: a row of a load, by which it is known when it comes again; under another `request-digest` key it is another."""
        return self._ring.index(REQUEST_DIGEST, bind(_ROW_LABEL, encoded))

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

    def desk_identity(self, client_id: str, key: str, position: int) -> str:
        """The retry identity of one inquiry at the desk: `<client id>/desk/<64 hex digits>`, of another form than that of a file's line."""
        client, _, digest = self.retry_identity(client_id, "inquiries", key, position).rpartition("/")
        return f"{client}{_OF_THE_DESK}{digest}"

    @staticmethod
    def is_of_the_desk(identity: str) -> bool:
        """Whether an inquiry was asked at the desk, and not by a line of a file."""
        return _OF_THE_DESK in identity

    @property
    def version_of_lines(self) -> int:
        """The version of the key that the lines of a file which comes now are named under."""
        return self._ring.primary(INQUIRY_LINE)

    def line_identity(self, system: str, sha256: bytes, line: int, *, under: int) -> str:
        """The retry identity of one line of an inquiry file. `under`: the version that its file says, so that a line is asked once. Raises KeyUnusable."""
        digest = self._ring.index(INQUIRY_LINE, bind(_LINE_IDENTITY_LABEL, system, sha256, line), version=under)
        return f"{system}/{digest.hex()}"

    def seal_inquiry_line(self, encoded: bytes, file_id: int, line: int) -> bytes:
        return self._ring.encrypt(INQUIRY_LINE, encoded, bind(_LINE_LABEL, file_id, line))

    def open_inquiry_line(self, sealed: bytes, file_id: int, line: int) -> bytes:
        """Raises SealBroken, KeyUnusable."""
        return self._ring.decrypt(INQUIRY_LINE, sealed, bind(_LINE_LABEL, file_id, line))

    def seal_access_reason(self, reason: str, entry_id: str) -> bytes:
        """What a member of staff wrote may name somebody: it lies beside its entry, never in it."""
        return self._ring.encrypt(ACCESS_REASON, reason.encode(), bind(_ACCESS_REASON_LABEL, entry_id))

    def open_access_reason(self, sealed: bytes, entry_id: str) -> str:
        return self._ring.decrypt(ACCESS_REASON, sealed, bind(_ACCESS_REASON_LABEL, entry_id)).decode()

    def purpose_commitment(self, purpose: str, entry_id: str) -> str:
        """64 hex digits that stand in the entry of a refused inquiry for what it was for (何のため); its words lie sealed beside it, as reasons do."""
        return self._ring.index(ACCESS_SUBJECT, bind(_PURPOSE_LABEL, entry_id, purpose), version=1).hex()

    def access_subject(self, integrated_number: int) -> bytes:
        """16 bytes under which all looks at one person are found; it stands in no entry. Version 1 for ever: the table is append-only."""
        return self._ring.index(ACCESS_SUBJECT, _row(_ACCESS_SUBJECT_LABEL, integrated_number), version=1)[:16]

    def access_commitment(self, integrated_number: int, entry_id: str) -> str:
        """32 hex digits that stand in the entry: another value in each, so that entries are not linked by whom they are about."""
        data = bind(_ACCESS_COMMITMENT_LABEL, entry_id, integrated_number)
        return self._ring.index(ACCESS_SUBJECT, data, version=1).hex()[:32]

    def search_token(self, kind: bytes, first: str, second: str) -> int:
        """64 bit of a keyed digest of two keys together, signed as PostgreSQL's bigint."""
        digest = self._ring.index(SEARCH_INDEX, b"%b/%d/%b%b" % (kind, len(first), first.encode(), second.encode()))
        return int.from_bytes(digest[:8], signed=True)

    def search_key_version(self) -> int:
        """The version under which tokens are made now; tokens of another are made anew."""
        return self._ring.primary(SEARCH_INDEX)

    def seal_cursor(self, encoded: bytes, context: bytes) -> bytes:
        return self._ring.encrypt(SEARCH_CURSOR, encoded, context)

    def open_cursor(self, sealed: bytes, context: bytes) -> bytes:
        """Raises SealBroken, KeyUnusable."""
        return self._ring.decrypt(SEARCH_CURSOR, sealed, context)

    def seal_push(self, body: bytes, delivery_id: str) -> bytes:
        return self._ring.encrypt(PUSH, body, bind(_PUSH_LABEL, delivery_id))

    def open_push(self, sealed: bytes, delivery_id: str) -> bytes:
        return self._ring.decrypt(PUSH, sealed, bind(_PUSH_LABEL, delivery_id))

    def seal_push_secret(self, secret: Secret, system: str) -> bytes:
        # reveal: sealed before it leaves
        return self._ring.encrypt(PUSH, secret.reveal(), bind(_PUSH_SECRET_LABEL, system))

    def open_push_secret(self, sealed: bytes, system: str) -> Secret:
        return Secret(self._ring.decrypt(PUSH, sealed, bind(_PUSH_SECRET_LABEL, system)))
