"""Single records of a log with what proves them, as one file: for whoever may see these records and not the whole log (IS-5, SC-27).

NDJSON, canonical: a header; each checkpoint before the records that it proves; one line a record; one `end` line with the digest of all before it.
A record stands there whole, or as a *view*: what may be shown of it, signed by the log's key together with the leaf hash of the entry
that it was taken from. Reading needs the log's key and nothing else. A file says nothing of records that are not in it.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Annotated, Final

import msgspec

from evidence.canonical import encode
from evidence.checkpoint import Checkpoint, CheckpointBroken, first_of, parse, read
from evidence.entry import SALT_BYTES, commit_subject
from evidence.export import CHECKPOINT_START, END_START, LARGEST_LINE, CheckpointLine, EndLine
from evidence.findings import Finding, FindingName, Findings
from evidence.merkle import leaf_hash, verify_inclusion
from evidence.trusted import TrustedKeys, keys_at, keys_of
from keys import labels
from keys.binding import bind
from keys.signing import Signer, verify
from keys.windows import KeyWindow, PublicKeys

FORMAT: Final = 1
RECORD_START: Final = b'{"record":'
_LEAF_BYTES: Final = 32
_MOST_STEPS: Final = 64
_SLACK: Final = timedelta(seconds=60)


class RecordsHeader(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """First line: whose records, and when they were taken out. `about_one`: whether all are said to be of one person."""

    about_one: bool
    agency: str
    made_at: str
    sekisho_records: int = FORMAT


class ProvenRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """`entry`: the whole entry, canonical; or `view` (canonical), the entry's `leaf` hash and a `signature` over both (hex).

    `proof`: audit path, leaf side first (hex); `salt` (hex): opens the record's commitment to whoever knows the person's number.
    """

    index: int
    origin: str
    proof: tuple[str, ...]
    entry: str | None = None
    view: str | None = None
    leaf: str | None = None
    signature: str | None = None
    salt: str | None = None


class RecordLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    record: ProvenRecord


class _Said(msgspec.Struct):
    at: Annotated[datetime, msgspec.Meta(tz=True)] | None = None
    subject: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordsChecked:
    """What was checked: `records` that stand in their log, of these `views`; `opened`: those that are of the number given."""

    agency: str
    made_at: str
    records: int
    views: int
    opened: int
    findings: tuple[Finding, ...]

    @property
    def clean(self) -> bool:
        return not self.findings


_header = msgspec.json.Decoder(RecordsHeader)
_record = msgspec.json.Decoder(RecordLine)
_checkpoint = msgspec.json.Decoder(CheckpointLine)
_end = msgspec.json.Decoder(EndLine)
_said = msgspec.json.Decoder(_Said)
_encoder = msgspec.json.Encoder(order="deterministic")


def _signed(origin: str, index: int, leaf: bytes, view: bytes) -> bytes:
    return bind(origin, index, leaf, view)


def sign_view(signer: Signer, origin: str, index: int, leaf: bytes, view: bytes) -> str:
    """The log's word (hex) that this may be shown of the entry with this leaf hash (32 bytes), and is true of it."""
    return signer.sign(labels.RECORD_VIEW, _signed(origin, index, leaf, view)).hex()


def write_records(header: RecordsHeader, records: Sequence[tuple[ProvenRecord, str]]) -> Iterator[bytes]:
    """The lines of a file. `records`: each with the note of the checkpoint that its proof leads to."""
    digest, count, last = sha256(), 0, ""
    values: list[msgspec.Struct] = [header]
    for record, note in records:
        if note != last:
            values.append(CheckpointLine(note))
            last = note
        values.append(RecordLine(record))
    for value in values:
        line = _encoder.encode(value) + b"\n"
        digest.update(line)
        count += 1
        yield line
    yield encode({"end": {"lines": count, "sha256": digest.hexdigest()}}) + b"\n"


def origins(lines: Iterable[bytes]) -> set[str]:
    """The logs whose keys a file needs; unchecked."""
    found = set()
    for line in lines:
        if line.startswith(CHECKPOINT_START):
            try:
                found.add(parse(_checkpoint.decode(line).checkpoint).origin)
            except (msgspec.DecodeError, UnicodeDecodeError, CheckpointBroken):
                continue  # verify_records names it
    return found


def verify_records(
    label: str, lines: Iterable[bytes], trusted: Mapping[str, TrustedKeys], *, number: str | None = None
) -> RecordsChecked:
    """Check every record of a file. `trusted`: origin → vkey, or keys of the signed register; `number`: whose records they are said to be.

    1. form and order of the lines, and the digest at the end; 2. each checkpoint is of a log of the agency that the header names, signed by its
    known key; 3. each record is in the tree that its checkpoint names, by a key that had not ended before the record was made; 4. a view is signed
    by the log for exactly that entry, by a key of when the file was made, and of no earlier end than the record; 5. with `number`, each record's
    commitment opens to it.
    A record that is backdated into the time of a stolen key is not told from a true one here: the checkpoints that others hold tell it.
    Bad input is a finding; a bad `trusted` raises ValueError.
    """
    reading = _Reading(label, {origin: keys_of(origin, said) for origin, said in trusted.items()}, number)
    for line in lines:
        reading.line(line)
    return reading.checked()


class _Reading:
    def __init__(self, label: str, keys: Mapping[str, PublicKeys], number: str | None) -> None:
        self.label, self.keys, self.number = label, keys, number
        self.findings = Findings()
        self.digest = sha256()
        self.lines = 0
        self.header: RecordsHeader | None = None
        self.under: Checkpoint | None = None
        self.signed_by: tuple[KeyWindow, ...] = ()
        self.ended = False
        self.seen: set[tuple[str, int]] = set()
        self.records = self.views = self.opened = 0

    def line(self, line: bytes) -> None:
        self.lines += 1
        try:
            if self.ended or len(line) > LARGEST_LINE or not line.endswith(b"}\n"):
                raise msgspec.DecodeError  # noqa: TRY301 (one way to say it)
            self._read(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self._report(FindingName.MALFORMED, "not a line of this place")
        self.digest.update(line)

    def _read(self, line: bytes) -> None:
        """Raises DecodeError."""
        if self.lines == 1:
            header = _header.decode(line)
            if header.sekisho_records != FORMAT:
                raise msgspec.DecodeError
            self.header = header
        elif line.startswith(CHECKPOINT_START):
            self._checkpoint(_checkpoint.decode(line).checkpoint)
        elif line.startswith(RECORD_START):
            self._record(_record.decode(line).record)
        elif line.startswith(END_START):
            end, self.ended = _end.decode(line).end, True
            if end.lines != self.lines - 1 or end.sha256 != self.digest.hexdigest():
                self._report(FindingName.FILE_ALTERED, "the digest at the end does not fit the lines before it")
        else:
            raise msgspec.DecodeError

    def _checkpoint(self, note: str) -> None:
        self.under = None
        try:
            origin = parse(note).origin
            known = self.keys.get(origin)
            if known is None:
                self._report(FindingName.UNKNOWN_LOG, "the register does not know this log")
                return
            if self.header is not None and first_of(origin)[0].split("/")[-3:-2] != [self.header.agency]:
                self._report(FindingName.FILE_ALTERED, "the header names another agency than the log of the records")
            self.under = read(note, origin, *known.all())  # a note tells no time: its records do, in `_record`
            self.signed_by = tuple(one for one in known if _signs(note, origin, one.key))
        except CheckpointBroken:
            self._report(FindingName.BAD_SIGNATURE, "the checkpoint is not signed by its log")

    def _record(self, record: ProvenRecord) -> None:
        leaf, said = _leaf_of(record)
        path = _hashes(record.proof)
        if leaf is None or said is None or path is None:
            raise msgspec.DecodeError
        told = _said.decode(said)
        if self.under is None or record.origin != self.under.origin:
            self._report(FindingName.NOT_INCLUDED, "no good checkpoint of its log stands before the record")
            return
        if not verify_inclusion(record.index, self.under.size, leaf, path, self.under.root):
            self._report(FindingName.NOT_INCLUDED, "the proof does not lead from the record to the signed root", record)
            return
        if not any(_lived(key, told.at) for key in self.signed_by):
            self._report(FindingName.BAD_SIGNATURE, "the checkpoint's key had ended before the record was made", record)
            return
        if (record.origin, record.index) in self.seen:
            self._report(FindingName.REPEATED_ENTRY, "this record has been shown already", record)
            return
        self.seen.add((record.origin, record.index))
        if record.view is not None and not self._vouched(record, leaf, said, told.at):
            self._report(FindingName.BAD_SIGNATURE, "the log did not sign that this may be shown of the entry", record)
            return
        if self.number is not None and not self._opens(record, told.subject):
            self._report(
                FindingName.ANOTHER_PERSON, "the record's commitment does not open to the number given", record
            )
            return
        self.records += 1
        self.views += record.view is not None
        self.opened += self.number is not None

    def _vouched(self, record: ProvenRecord, leaf: bytes, view: bytes, at: datetime | None) -> bool:
        signature = _bytes_of(record.signature)
        message = _signed(record.origin, record.index, leaf, view)
        keys = self.keys[record.origin]
        made = keys_at(keys, self.header.made_at if self.header else "", _SLACK)
        lived = [one.key for one in keys if one.key in made and _lived(one, at)]
        return signature is not None and any(verify(key, labels.RECORD_VIEW, message, signature) for key in lived)

    def _opens(self, record: ProvenRecord, subject: str | None) -> bool:
        salt = _bytes_of(record.salt)
        if salt is None or len(salt) != SALT_BYTES or subject is None or self.number is None:
            return False
        return hmac.compare_digest(commit_subject(salt, self.number), subject)

    def checked(self) -> RecordsChecked:
        if self.header is None and not self.lines:
            self._report(FindingName.MALFORMED, "an empty file")
        if not self.ended:
            self._report(FindingName.MALFORMED, "the file has no end line")
        return RecordsChecked(
            agency=self.header.agency if self.header else "",
            made_at=self.header.made_at if self.header else "",
            records=self.records,
            views=self.views,
            opened=self.opened,
            findings=tuple(self.findings.list),
        )

    def _report(self, name: FindingName, detail: str, record: ProvenRecord | None = None) -> None:
        entry = None if record is None else record.index
        self.findings.add(Finding(name=name, export=self.label, detail=detail, line=self.lines, entry=entry))


def _signs(note: str, origin: str, key: bytes) -> bool:
    try:
        read(note, origin, key)
    except CheckpointBroken:
        return False
    return True


def _lived(key: KeyWindow, at: datetime | None) -> bool:
    """Whether a key had not ended when a record was made that it has signed for: it signs what is there, so it lives as long."""
    return key.valid_to is None or (at is not None and at <= key.valid_to + _SLACK)


def _leaf_of(record: ProvenRecord) -> tuple[bytes | None, bytes | None]:
    """The leaf hash, and what is said: computed of a whole entry, named by a view; nothing when it is neither, or both."""
    if record.entry is not None and record.view is None and record.leaf is None and record.signature is None:
        body = record.entry.encode()
        return leaf_hash(body), body
    if record.entry is None and record.view is not None:
        leaf = _bytes_of(record.leaf)
        return (leaf if leaf is not None and len(leaf) == _LEAF_BYTES else None), record.view.encode()
    return None, None


def _hashes(path: Sequence[str]) -> list[bytes] | None:
    found = [_bytes_of(step) for step in path[: _MOST_STEPS + 1]]
    right = [step for step in found if step is not None and len(step) == _LEAF_BYTES]
    return right if len(right) == len(path) <= _MOST_STEPS else None


def _bytes_of(text: str | None) -> bytes | None:
    try:
        data = bytes.fromhex(text or "-")
    except ValueError:
        return None
    return data if data.hex() == text else None
