"""What SKY2 keeps sealed: 個人番号, who people are, accounts, benefits. Each seal is bound to the row and the column it stands in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from adapters.sky2.received import DataSet, PublicMoneyReceivingAccount
from codebook.four_items import PersonName
from codebook.individual_number import IndividualNumber
from keys import labels
from keys.binding import bind
from keys.masked import Secret
from storage.key_store import KeyStore

NUMBER: Final = "individual-number"
PERSON: Final = "insured-person"
ACCOUNT: Final = "receiving-account"
BENEFIT: Final = "unemployment-benefit"
LEDGER: Final = "ledger"
REQUEST: Final = "request"
PUSH: Final = "push-secret"
PURPOSES: Final = (NUMBER, PERSON, ACCOUNT, BENEFIT, LEDGER, REQUEST, PUSH)

_PERSON_LABEL: Final = b"sekisho/sky2-insured-person/v1"
_ACCOUNT_LABEL: Final = b"sekisho/sky2-receiving-account/v1"
_BENEFIT_LABEL: Final = b"sekisho/sky2-unemployment-benefit/v1"
_LEDGER_LABEL: Final = b"sekisho/sky2-ledger/v1"
_INQUIRY_KEY_LABEL: Final = b"sekisho/sky2-inquiry-key/v1"
_PUSH_LABEL: Final = b"sekisho/sky2-push-secret/v1"
_VALUES: Final = msgspec.json.Decoder(dict[str, Any])
_LETTERS: Final = str.maketrans("0123456789abcdef", "abcdefghijklmnop")
_PERSON_COLUMNS: Final = ("name", "kana", "birth_date", "address")
_DATA_SETS: Final = msgspec.json.Decoder(list[DataSet])


class _Person(msgspec.Struct, frozen=True):
    kana: str

    def __repr__(self) -> str:
        return "<Person>"


_PERSON: Final = msgspec.json.Decoder(_Person)


class Seals:
    """The ring of SKY2 by what it is used for. Openings raise SealBroken or KeyUnusable."""

    def __init__(self, keys: KeyStore) -> None:
        for purpose in PURPOSES:
            keys.ensure(purpose)
        self._ring = keys.ring

    def individual_number(self, number: IndividualNumber, place: str, addressee_number: str) -> bytes:
        """`place`: table and column."""
        # reveal: sealed here
        context = bind(labels.INDIVIDUAL_NUMBER, place, addressee_number)
        return self._ring.encrypt_siv(NUMBER, number.reveal().encode(), context)

    def open_individual_number(self, sealed: bytes, place: str, addressee_number: str) -> IndividualNumber:
        context = bind(labels.INDIVIDUAL_NUMBER, place, addressee_number)
        return IndividualNumber(self._ring.decrypt_siv(NUMBER, sealed, context).decode())

    def person(self, values: Mapping[str, Any], addressee_number: str) -> bytes:
        """Name, kana, birth date and address of an insured person, in one piece."""
        shown = msgspec.json.encode({name: values[name] for name in _PERSON_COLUMNS})
        return self._ring.encrypt(PERSON, shown, bind(_PERSON_LABEL, addressee_number))

    def open_kana(self, sealed: bytes, addressee_number: str) -> PersonName:
        """The name in kana, for comparing it with the holder of an account (SC-22)."""
        opened = self._ring.decrypt(PERSON, sealed, bind(_PERSON_LABEL, addressee_number))
        return PersonName(_PERSON.decode(opened).kana)

    def open_person(self, sealed: bytes, addressee_number: str) -> dict[str, Any]:
        """All of it, as it was sealed: to be changed and sealed again."""
        return _VALUES.decode(self._ring.decrypt(PERSON, sealed, bind(_PERSON_LABEL, addressee_number)))

    def push_secret(self, secret: Secret) -> bytes:
        # reveal: sealed here
        return self._ring.encrypt(PUSH, secret.reveal(), _PUSH_LABEL)

    def open_push_secret(self, sealed: bytes) -> Secret:
        return Secret(self._ring.decrypt(PUSH, sealed, _PUSH_LABEL))

    def ledger_item(self, value: Any, place: str, addressee_number: str) -> bytes:
        """Any JSON value of a sealed ledger column."""
        return self._ring.encrypt(LEDGER, msgspec.json.encode(value), bind(_LEDGER_LABEL, place, addressee_number))

    def open_ledger_item(self, sealed: bytes, place: str, addressee_number: str) -> Any:
        return msgspec.json.decode(self._ring.decrypt(LEDGER, sealed, bind(_LEDGER_LABEL, place, addressee_number)))

    def account(self, account: PublicMoneyReceivingAccount, claim_id: str) -> bytes:
        return self._ring.encrypt(ACCOUNT, account.to_bytes(), bind(_ACCOUNT_LABEL, claim_id))

    def open_account(self, sealed: bytes, claim_id: str) -> PublicMoneyReceivingAccount:
        return PublicMoneyReceivingAccount.from_bytes(
            self._ring.decrypt(ACCOUNT, sealed, bind(_ACCOUNT_LABEL, claim_id))
        )

    def benefit(self, values: Sequence[DataSet], inquiry_key: str) -> bytes:
        return self._ring.encrypt(BENEFIT, msgspec.json.encode(list(values)), bind(_BENEFIT_LABEL, inquiry_key))

    def open_benefit(self, sealed: bytes, inquiry_key: str) -> list[DataSet]:
        return _DATA_SETS.decode(self._ring.decrypt(BENEFIT, sealed, bind(_BENEFIT_LABEL, inquiry_key)))

    def request_digest(self, path: str, body: bytes) -> bytes:
        """32 bytes; keyed, since a body may hold a number that could be guessed from a plain hash."""
        return self._ring.index(REQUEST, bind(labels.REQUEST_HASH, path, body))

    def inquiry_key(self, idempotency_key: str, addressee_number: str) -> str:
        """The same for the same request and person; letters only, so that it never looks like a person's number."""
        return (
            self._ring.index(REQUEST, bind(_INQUIRY_KEY_LABEL, idempotency_key, addressee_number))
            .hex()[:32]
            .translate(_LETTERS)
        )
