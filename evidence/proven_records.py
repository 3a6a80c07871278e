"""Single records of a log with what proves them, as one file: for whoever may see these records and not the whole log (IS-5, SC-27).

NDJSON, canonical: a header; each checkpoint before the records that it proves; one line a record; one `end` line with the digest of all before it,
signed by the log's key: so when the file was made, and that nothing was taken out of it since, is proven too.
A record stands there whole, or as a *view*: what may be shown of it, signed by the log's key together with the leaf hash of the entry
that it was taken from and when the file was made. Reading needs the log's key and nothing else. A file says nothing of records that are not in it.
Files of format 1 say when they were made and nothing vouches for that: they are read, and told (`RecordsChecked.made_at_signed`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Annotated, Final

import msgspec

from evidence.canonical import encode
from evidence.checkpoint import Checkpoint, CheckpointBroken, first_of, parse, read
from evidence.entry import SALT_BYTES, commit_subject
from evidence.export import CHECKPOINT_START, END_START, LARGEST_LINE, CheckpointLine
from evidence.findings import Finding, FindingName, Findings
from evidence.merkle import leaf_hash, verify_inclusion
from evidence.trusted import TrustedKeys, keys_at, keys_of
from keys import labels
from keys.binding import bind
from keys.signing import Signer, verify
from keys.windows import KeyWindow, PublicKeys

FORMAT: Final = 2
WITHOUT_TIME: Final = 1
"""The format of before, of which no signature says when the file was made."""
RECORD_START: Final = b'{"record":'
HEADER_START: Final = b'{"about_one":'
_LEAF_BYTES: Final = 32
_MOST_STEPS: Final = 64
_SLACK: Final = timedelta(seconds=60)


class RecordsHeader(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """First line: whose records, and when they were taken out. `about_one`: whether all are said to be of one person; `origin`: the log that signs the file."""

    about_one: bool
    agency: str
    made_at: str
    origin: str | msgspec.UnsetType = msgspec.UNSET
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


class _End(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many lines stand before the last, SHA-256 (hex) over them, and the log's signature (hex) over both; none in the format of before."""

    lines: int
    sha256: str
    signature: str | None = None


class _EndLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    end: _End


class _Said(msgspec.Struct):
    at: Annotated[datetime, msgspec.Meta(tz=True)] | None = None
    subject: str | None = None
    lives_on: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordsChecked:
    """What was checked: `records` that stand in their log, of these `views`; `opened`: those that are of the number given.

    `made_at_signed`: whether the log's key vouches for `made_at`; else it is what somebody wrote there.
    """

    agency: str
    made_at: str
    made_at_signed: bool
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
_end = msgspec.json.Decoder(_EndLine)
_said = msgspec.json.Decoder(_Said)
_encoder = msgspec.json.Encoder(order="deterministic")


def sign_view(signer: Signer, made_at: str, origin: str, index: int, leaf: bytes, view: bytes) -> str:
    """The log's word (hex) that this may be shown of the entry with this leaf hash (32 bytes), in a file that is made now, and is true of it."""
    return signer.sign(labels.RECORD_VIEW, bind(made_at, origin, index, leaf, view)).hex()


def write_records(
    header: RecordsHeader, records: Sequence[tuple[ProvenRecord, str]], signer: Signer
) -> Iterator[bytes]:
    """The lines of a file. `records`: each with the note of the checkpoint that its proof leads to; `signer`: of the header's log."""
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
    signature = signer.sign(labels.RECORDS_FILE, _whole(header, count, digest.digest())).hex()
    yield encode({"end": {"lines": count, "sha256": digest.hexdigest(), "signature": signature}}) + b"\n"


def _whole(header: RecordsHeader, lines: int, digest: bytes) -> bytes:
    return bind(header.origin or "", header.made_at, lines, digest)


def origins(lines: Iterable[bytes]) -> set[str]:
    """The logs whose keys a file needs; unchecked."""
    found = set()
    for line in lines:
        with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError, CheckpointBroken):  # verify_records names it
            if line.startswith(CHECKPOINT_START):
                found.add(parse(_checkpoint.decode(line).checkpoint).origin)
            elif line.startswith(HEADER_START) and (header := _header.decode(line)).origin:
                found.add(header.origin)
    return found


def verify_records(
    label: str, lines: Iterable[bytes], trusted: Mapping[str, TrustedKeys], *, number: str | None = None
) -> RecordsChecked:
    """Check every record of a file. `trusted`: origin → vkey, or keys of the signed register; `number`: whose records they are said to be.

    1. form and order of the lines, and the digest at the end, signed by the log for when the file was made; 2. each checkpoint is of a log of the
    agency that the header names, signed by its known key; 3. each record is in the tree that its checkpoint names, by a key that had not ended
    before the record was made; 4. a view is signed by the log for exactly that entry and this file's time, by a key of then, and of no earlier
    end than the record; 5. with `number`, each record's commitment opens to it, or the log says in a view that its person lives on under it.
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
        self.ended = self.made_at_signed = False
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
            if header.sekisho_records not in (FORMAT, WITHOUT_TIME) or bool(header.origin) is self._of_before(header):
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
            elif self.header is not None and not self._of_before(self.header):
                self._file_signed(self.header, end)
        else:
            raise msgspec.DecodeError

    @staticmethod
    def _of_before(header: RecordsHeader) -> bool:
        return header.sekisho_records == WITHOUT_TIME

    def _file_signed(self, header: RecordsHeader, end: _End) -> None:
        origin = header.origin or ""
        known, signature = self.keys.get(origin), _bytes_of(end.signature)
        if first_of(origin)[0].split("/")[-3:-2] != [header.agency]:
            self._report(FindingName.FILE_ALTERED, "the header names another agency than the log that signs the file")
        elif known is None:
            self._report(FindingName.UNKNOWN_LOG, "the register does not know this log")
        elif signature is None or not any(
            verify(key, labels.RECORDS_FILE, _whole(header, end.lines, self.digest.digest()), signature)
            for key in keys_at(known, header.made_at, _SLACK)
        ):
            self._report(FindingName.BAD_SIGNATURE, "the log did not sign that this file was made so, and then")
        else:
            self.made_at_signed = True

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
        if self.number is not None and not self._opens(record, told):
            self._report(
                FindingName.ANOTHER_PERSON, "the record's commitment does not open to the number given", record
            )
            return
        self.records += 1
        self.views += record.view is not None
        self.opened += self.number is not None

    def _vouched(self, record: ProvenRecord, leaf: bytes, view: bytes, at: datetime | None) -> bool:
        signature, header = _bytes_of(record.signature), self.header
        if signature is None or header is None:
            return False
        message = bind(record.origin, record.index, leaf, view)
        label = labels.RECORD_VIEW_WITHOUT_TIME
        if not self._of_before(header):
            label, message = labels.RECORD_VIEW, bind(header.made_at, record.origin, record.index, leaf, view)
        keys = self.keys[record.origin]
        made = keys_at(keys, header.made_at, _SLACK)
        lived = [one.key for one in keys if one.key in made and _lived(one, at)]
        return any(verify(key, label, message, signature) for key in lived)

    def _opens(self, record: ProvenRecord, told: _Said) -> bool:
        salt = _bytes_of(record.salt)
        if salt is None or len(salt) != SALT_BYTES or self.number is None:
            return False
        committed = commit_subject(salt, self.number)
        return committed == told.subject or (record.view is not None and committed == told.lives_on)

    def checked(self) -> RecordsChecked:
        if self.header is None and not self.lines:
            self._report(FindingName.MALFORMED, "an empty file")
        if not self.ended:
            self._report(FindingName.MALFORMED, "the file has no end line")
        return RecordsChecked(
            agency=self.header.agency if self.header else "",
            made_at=self.header.made_at if self.header else "",
            made_at_signed=self.made_at_signed,
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
