"""The form of a backup (SC-15): sealed to the backup key's public half, signed by the log's key, written and read as a stream in flat memory.

A line of JSON (the head), then frames: a length of 4 bytes and that many sealed bytes. The content key is drawn for each backup and sealed to the
backup key (HPKE, X-Wing), so the server that made a backup cannot open it. A frame is bound to the head and to its place, so none can be left out,
repeated or moved. Inside, in this order: for each table what it is, its rows as COPY gives them, how many they are and their SHA-256; at the end
all of that once more, with a signature by the agency's log key: whoever has the public key alone can seal a file, and cannot make a backup.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import IO, Annotated, Final, Literal

import msgspec

from evidence.trusted import keys_at
from keys import labels
from keys.binding import bind
from keys.box import Box
from keys.errors import PublicKeyBroken, SealBroken
from keys.masked import Plaintext, Secret
from keys.sealing import key_hash, open_sealed, seal
from keys.signing import Signer, verify_raw
from keys.windows import PublicKeys

FORM: Final = 1
FRAME: Final = 1 << 16
"""Bytes of rows in a frame."""
_LARGEST_FRAME: Final = 1 << 20
_LARGEST_HEAD: Final = 1 << 14
_SLACK: Final = timedelta(seconds=60)
_LENGTH: Final = 4
_ROWS: Final = b"R"
_SAID: Final = b"J"


class BackupBrokenError(Exception):
    """The file is no backup, was altered or cut, or is not for this key. The message is a constant."""


class BackedUp(StrEnum):
    """The databases of an agency that backups are made of; an order and a right name one of them (docs/adr/0057)."""

    INTERMEDIATE = "intermediate"
    LINKAGE = "linkage"
    SKY2 = "sky2"


class Head(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`key`: the content key, sealed; `recipient`: hex SHA-256 of the public key that it is sealed to; `made_at`: of the snapshot.

    `database`: which one of the agency's; a head without it is of the time when there was one.
    """

    sekisho_backup: Literal[1] = 1
    backup_id: Annotated[str, msgspec.Meta(pattern=r"^[A-Z][0-9A-HJKMNP-TV-Z]{26}\Z")]
    agency: str
    database: BackedUp = BackedUp.INTERMEDIATE
    made_at: str
    recipient: str
    key: str


class Table(msgspec.Struct, frozen=True, tag_field="said", tag="table"):
    name: str
    columns: list[str]


class TableEnd(msgspec.Struct, frozen=True, tag_field="said", tag="table_end"):
    """`rows` and hex SHA-256 of the bytes of the table."""

    name: str
    rows: int
    sha256: str


class End(msgspec.Struct, frozen=True, tag_field="said", tag="end"):
    """Everything about every table once more; `signature`: hex, by the agency's log key, over the head and the digest of all before."""

    tables: list[TableEnd]
    digest: str
    signature: str


_HEAD = msgspec.json.Decoder(Head)
_SAYING: msgspec.json.Decoder[Table | TableEnd | End] = msgspec.json.Decoder(Table | TableEnd | End)
Part = Table | TableEnd | End | bytes


def _info(backup_id: str, agency: str, made_at: str) -> bytes:
    return bind(labels.BACKUP, backup_id, agency, made_at)


def signed(head: bytes, digest: bytes) -> bytes:
    """What the log's key signs."""
    return bind(labels.BACKUP_END, head, digest)


@dataclass(slots=True)
class _Frames:
    """Seals or opens frames in their order."""

    box: Box
    head: bytes
    place: int = 0

    def bound(self) -> bytes:
        self.place += 1
        return bind(labels.BACKUP, hashlib.sha256(self.head).digest(), self.place)


class Writer:
    """Makes the bytes of one backup; nothing of it is kept. Raises PublicKeyBroken for a key that is none."""

    def __init__(
        self, public: bytes, *, backup_id: str, agency: str, database: BackedUp, made_at: str, signer: Signer
    ) -> None:
        key = secrets.token_bytes(32)
        sealed = seal(public, _info(backup_id, agency, made_at), Plaintext(key))
        head = Head(
            backup_id=backup_id,
            agency=agency,
            database=database,
            made_at=made_at,
            recipient=key_hash(public).hex(),
            key=base64.b64encode(sealed).decode(),
        )
        self.backup_id = backup_id
        self.head = msgspec.json.encode(head) + b"\n"
        self.size = len(self.head)
        self._frames = _Frames(Box(Secret(key)), self.head)
        self._signer = signer
        self._digest = hashlib.sha256(self.head)
        self._table: Table | None = None
        self._rows = hashlib.sha256()
        self._ends: list[TableEnd] = []

    def begin(self, name: str, columns: list[str]) -> bytes:
        self._table = Table(name, columns)
        self._rows = hashlib.sha256()
        return self._frame(_SAID + msgspec.json.encode(self._table))

    def rows(self, data: bytes) -> bytes:
        self._rows.update(data)
        return self._frame(_ROWS + data)

    def end(self, rows: int) -> bytes:
        if self._table is None:
            raise RuntimeError("a table ends that has not begun")
        said = TableEnd(self._table.name, rows, self._rows.hexdigest())
        self._ends.append(said)
        self._table = None
        return self._frame(_SAID + msgspec.json.encode(said))

    def close(self) -> bytes:
        digest = self._digest.digest()
        signature = self._signer.sign_raw(signed(self.head, digest)).hex()
        return self._frame(_SAID + msgspec.json.encode(End(self._ends, digest.hex(), signature)))

    @property
    def counts(self) -> dict[str, int]:
        return {end.name: end.rows for end in self._ends}

    def _frame(self, plain: bytes) -> bytes:
        sealed = self._frames.box.seal(plain, self._frames.bound())
        frame = len(sealed).to_bytes(_LENGTH, "big") + sealed
        self._digest.update(frame)
        self.size += len(frame)
        return frame


def read_head(file: IO[bytes]) -> tuple[Head, bytes]:
    """The head, unchecked until a frame has opened, and its bytes. Raises BackupBrokenError."""
    line = file.readline(_LARGEST_HEAD)
    try:
        return _HEAD.decode(line), line
    except (msgspec.DecodeError, msgspec.ValidationError, RecursionError):
        raise BackupBrokenError("the file is no backup") from None


@dataclass(slots=True)
class Checked:
    """What was found on the way; complete when `read` has come to its end."""

    tables: dict[str, int] = field(default_factory=dict)


def read(file: IO[bytes], private: Secret, log_keys: PublicKeys, checked: Checked) -> Iterator[Part]:
    """The parts of a backup from behind its head, in order. Nothing of it may be used before the last one (`End`) has come: it is the proof of all.

    Raises BackupBrokenError.
    """
    file.seek(0)
    head, line = read_head(file)
    try:
        sealed = base64.b64decode(head.key, validate=True)
        key = open_sealed(private, _info(head.backup_id, head.agency, head.made_at), sealed)
    except (ValueError, SealBroken, PublicKeyBroken):
        raise BackupBrokenError("the backup is not sealed to this key") from None
    # reveal: the key of this backup alone
    frames = _Frames(Box(Secret(key.reveal())), line)
    digest = hashlib.sha256(line)
    open_table: Table | None = None
    rows = hashlib.sha256()
    ends: list[TableEnd] = []
    while True:
        before = digest.digest()
        part = _part(_next_frame(file, frames, digest))
        match part:
            case Table():
                open_table, rows = part, hashlib.sha256()
            case TableEnd():
                if open_table is None or part.name != open_table.name or part.sha256 != rows.hexdigest():
                    raise BackupBrokenError("a table is not what its end says")
                ends.append(part)
                checked.tables[part.name] = part.rows
                open_table = None
            case End():
                _prove(part, line, head.made_at, before, log_keys, ends)
                if file.read(1):
                    raise BackupBrokenError("something follows the end")
                yield part
                return
            case bytes():
                rows.update(part)
        yield part


def _next_frame(file: IO[bytes], frames: _Frames, digest: hashlib._Hash) -> bytes:
    length = file.read(_LENGTH)
    size = int.from_bytes(length, "big")
    sealed = file.read(size) if len(length) == _LENGTH and size <= _LARGEST_FRAME else b""
    if not sealed or len(sealed) != size:
        raise BackupBrokenError("the backup is cut")
    digest.update(length + sealed)
    try:
        return frames.box.open(sealed, frames.bound())
    except SealBroken:
        raise BackupBrokenError("a part of the backup was altered, moved or left out") from None


def _part(plain: bytes) -> Part:
    if plain[:1] == _ROWS:
        return plain[1:]
    try:
        return _SAYING.decode(plain[1:])
    except (msgspec.DecodeError, msgspec.ValidationError):
        raise BackupBrokenError("a part of the backup is of no form") from None


def _prove(end: End, head: bytes, made_at: str, digest: bytes, log_keys: PublicKeys, ends: list[TableEnd]) -> None:
    try:
        signature = bytes.fromhex(end.signature)
    except ValueError:
        signature = b""
    known = keys_at(log_keys, made_at, _SLACK)
    proven = any(verify_raw(key, signed(head, digest), signature) for key in known)
    if end.digest != digest.hex() or end.tables != ends or not proven:
        raise BackupBrokenError("the backup is not signed by the agency's log key")
