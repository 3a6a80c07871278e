"""One label per purpose. What is signed, sealed or hashed for one purpose is worthless for any other."""

from __future__ import annotations

from typing import Final

# signatures
INQUIRY: Final = b"sekisho/inquiry/v1"
PERMIT: Final = b"sekisho/permit/v1"
OUTCOME: Final = b"sekisho/outcome/v1"
REGISTER: Final = b"sekisho/register/v1"
STAFF_CARD: Final = b"sekisho/staff-card/v1"
STAFF_FOUNDING: Final = b"sekisho/staff-founding/v1"
CITIZEN_SIGN_IN: Final = b"sekisho/citizen-sign-in/v1"
LIST: Final = b"sekisho/permission-list/v1"
RECORD_VIEW: Final = b"sekisho/record-view/v2"
RECORD_VIEW_WITHOUT_TIME: Final = b"sekisho/record-view/v1"
RECORDS_FILE: Final = b"sekisho/records-file/v1"
ORDER: Final = b"sekisho/order/v1"

# sealed to a one-time key
PAYLOAD: Final = b"sekisho/payload/v1"
SEALED: Final = b"sekisho/sealed/v1"

# the simulated core and resident network
CODE: Final = b"sekisho/code/v1"
CITIZEN_CARD: Final = b"sekisho/citizen-card/v1"
CITIZEN_HOLDER: Final = b"sekisho/citizen-holder/v1"
PERSON_REF: Final = b"sekisho/person-ref/v1"

# at rest and in blind indexes
INDIVIDUAL_NUMBER: Final = b"sekisho/individual-number/v1"
INDIVIDUAL_NUMBER_INDEX: Final = b"sekisho/individual-number-index/v1"
FOUR_ITEMS: Final = b"sekisho/four-items/v1"
LINKAGE_CODE: Final = b"sekisho/linkage-code/v1"
LINKAGE_CODE_INDEX: Final = b"sekisho/linkage-code-index/v1"
REPLACED_CODE: Final = b"sekisho/replaced-code/v1"
REPLICA: Final = b"sekisho/replica/v1"
REPLICA_SAID: Final = b"sekisho/replica-said/v1"
REPLICA_KEY: Final = b"sekisho/replica-key/v1"
RESULT: Final = b"sekisho/result/v1"
ONE_TIME_KEY: Final = b"sekisho/one-time-key/v1"
SUBJECT: Final = b"sekisho/subject/v1"
PERSONAL_PART: Final = b"sekisho/personal-part/v1"
RECORD_SUBJECT: Final = b"sekisho/record-subject/v1"
REQUEST_HASH: Final = b"sekisho/request-hash/v1"
ACQUISITION_TOMBSTONE: Final = b"sekisho/acquisition-tombstone/v1"
RENEWED_CODE_TOMBSTONE: Final = b"sekisho/renewed-code-tombstone/v1"
RECORDS_PLACE: Final = b"sekisho/records-place/v1"
HELD_CONTENT: Final = b"sekisho/held-content/v2"
HELD_LOOK: Final = b"sekisho/held-look/v1"
STAFF_CARD_FILE: Final = b"sekisho/staff-card-file/v1"
STAFF_CHALLENGE: Final = b"sekisho/staff-challenge/v1"
BARRED_PERSON: Final = b"sekisho/barred-person/v1"
HOLD_GROUND: Final = b"sekisho/hold-ground/v2"
HOLD_GROUND_ALONE: Final = b"sekisho/hold-ground/v1"
STAFF_MARK: Final = b"sekisho/staff-mark/v1"
STAFF_PERSON: Final = b"sekisho/staff-person/v1"
PORTAL_TICKET: Final = b"sekisho/portal-ticket/v1"

BACKUP: Final = b"sekisho/backup/v1"
BACKUP_END: Final = b"sekisho/backup-end/v1"
BACKUP_KEY_FILE: Final = b"sekisho/backup-key-file/v1"
ERASED: Final = b"sekisho/erased/v1"

# within the key ring
RING_BOX: Final = b"sekisho/ring-box/v1"
RING_SIV: Final = b"sekisho/ring-siv/v1"
RING_INDEX: Final = b"sekisho/ring-index/v1"
RING_SIGNER: Final = b"sekisho/ring-signer/v1"
RING_SECRET: Final = b"sekisho/ring-secret/v1"
RING_WRAP: Final = b"sekisho/ring-wrap/v1"
RING_HSM: Final = b"sekisho/ring-hsm/v1"
RING_PAIR: Final = b"sekisho/ring-pair/v1"
