"""Where `sekisho lists` and `sekisho decide` take lists from: the data folder's published versions, the shipped ones, or files."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import chain
from pathlib import Path
from typing import Any, Final

import yaml

from gateway import staff_calls
from gateway.data_folder import DataFolder, write_private
from gateway.setting_up.list_versions import sign_shipped
from gateway.staff_calls import Party
from keys.masked import Secret
from keys.publisher import PublisherKeys
from keys.signing import Signer
from permission_lists import documents, versions
from permission_lists.differences import Differences, compare, compare_on
from permission_lists.findings import Finding
from permission_lists.model import ListBroken, PermissionList, PermissionRow, build, content_of
from permission_lists.versions import Head, SignedVersion
from storage import list_files
from storage.reference_data import read_shipped_versions
from transport.register import Register, RegisterBrokenError

_NUMBER: Final = re.compile(r"[0-9]{1,6}")
_FETCH_PATH: Final = "/list-versions"
_UNSIGNED: Final = Signer(Secret(b"\x00" * 32))
"""The shipped versions before set-up has signed them: shown, never given to a server."""


class SourceWrongError(ValueError):
    """What was named is not there or cannot be read; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Text:
    """One list document: the file's name, and YAML (or JSON, which YAML contains)."""

    name: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    """Versions of the list, oldest first, never empty. `heads` and `signed` go together."""

    heads: tuple[Head, ...]
    signed: tuple[SignedVersion, ...]

    def content(self, head: Head) -> PermissionList:
        return versions.read_content(self.signed[self.heads.index(head)].content)

    def on(self, day: date) -> PermissionList:
        """The list in force on a day; before the first version, the newest, which knows the dates of its bases."""
        return self.content(versions.in_force(self.heads, day) or self.heads[-1])

    def rows(self, what: str) -> tuple[PermissionRow, ...]:
        """The rows of a version (those in force on its first day), a basis, or a file. Raises SourceWrongError."""
        head = self.version(what)
        if head is not None:
            return _in_force(self.content(head), head.valid_from)
        newest = self.content(self.heads[-1])
        if what in newest.bases:
            return tuple(row for row in newest.rows.values() if row.basis.id == what)
        path = Path(what)
        if path.suffix in {".yaml", ".yml"} or path.exists():
            return _rows_of(read_texts([path])[0])
        raise SourceWrongError(
            f"「{what}」はありません。版 {self._numbers()}、根拠 {', '.join(newest.bases)}、または YAML ファイルを指定してください"
            " / name a version, a basis or a file"
        )

    def version(self, what: str) -> Head | None:
        """The head of the version of this number; None for what is no number. Raises SourceWrongError."""
        if not _NUMBER.fullmatch(what):
            return None
        head = next((one for one in self.heads if one.number == int(what)), None)
        if head is None:
            raise SourceWrongError(f"版 {what} はありません。版: {self._numbers()} / there is no such version")
        return head

    def differences(self, before: str, after: str) -> Differences:
        """Between two versions, all of their rows; between others, the rows that each names. Raises SourceWrongError."""
        one, other = self.version(before), self.version(after)
        if one is None or other is None:
            return compare(self.rows(before), self.rows(after))
        first, second = (self.content(head).rows.values() for head in (one, other))
        return compare_on(first, one.valid_from, second, other.valid_from)

    def row(self, row_id: str) -> PermissionRow:
        """A row of the newest version by its id (`meirei-2024:42`). Raises SourceWrongError."""
        basis, _, item = row_id.partition(":")
        row = self.content(self.heads[-1]).rows.get((basis, item))
        if row is None:
            raise SourceWrongError(
                f"「{row_id}」という行はありません。meirei-2024:42 のように指定してください / there is no such row"
            )
        return row

    def newest_texts(self) -> list[Text]:
        """The documents of the newest version: each that is a shipped one as shipped, so that findings name lines of its file."""
        shipped = {
            content_of([yaml.load(text, Loader=yaml.CSafeLoader)]): Text(name, text)
            for version in read_shipped_versions()
            for name, text in zip(version.files, version.texts, strict=True)
        }
        head = self.heads[-1]
        newest = versions.read_documents(self.signed[-1].content)
        return [shipped.get(content_of([one])) or _published(head, one) for one in newest]

    def replacing(self, fresh: Sequence[Text]) -> list[Text]:
        """The newest version's documents, those of the same basis replaced by fresh ones and new ones added.

        Fresh ones of one basis stay all of them: `lint` refuses what stands twice.
        """
        by_basis: dict[str, list[Text]] = {}
        for one in fresh:
            by_basis.setdefault(_basis_id(one), []).append(one)
        kept = [by_basis.pop(_basis_id(one), [one]) for one in self.newest_texts()]
        return list(chain(*kept, *by_basis.values()))

    def documents(self, texts: Sequence[Text]) -> list[Any]:
        return [yaml.load(one.text, Loader=yaml.CSafeLoader) for one in texts]

    def with_newer(self, newer: Sequence[SignedVersion], keys: PublisherKeys) -> Library:
        """With versions that the core has and this folder has not. Raises SourceWrongError for any that is not ours."""
        library = self
        for signed in newer:
            head = versions.check(signed, library.heads, keys)
            if not isinstance(head, Head):
                raise SourceWrongError(
                    "コアの版がこのデータフォルダーの版と続いていません。控えから戻してください"
                    " / the core's versions do not follow this folder's; restore it from its backup"
                )
            library = replace(library, heads=(*library.heads, head), signed=(*library.signed, signed))
        return library

    def _numbers(self) -> str:
        return ", ".join(str(head.number) for head in self.heads)


def open_library(data: Path | None) -> Library:
    """The versions published in a data folder, or those shipped. Raises SourceWrongError."""
    try:
        signed = list_files.read(DataFolder(data).lists) if data is not None else ()
    except (list_files.ListFileBrokenError, OSError):
        raise SourceWrongError(
            "データフォルダーの permission-lists.json を読めません。控えから戻してください / it cannot be read; restore it from its backup"
        ) from None
    signed = signed or sign_shipped(_UNSIGNED)
    heads = tuple(head for one in signed if (head := versions.read_head(one.head)) is not None)
    try:
        whole = all(
            build(versions.read_documents(one.content)).digest == head.content_digest
            for one, head in zip(signed, heads, strict=True)
        )
    except (ListBroken, ValueError):
        whole = False
    if not whole:
        raise SourceWrongError(
            "データフォルダーの permission-lists.json が壊れています。控えから戻してください / it is damaged; restore it from its backup"
        )
    return Library(heads=heads, signed=signed)


def publisher_keys(data: DataFolder) -> PublisherKeys:
    """Of the signed register. Raises SourceWrongError, OSError."""
    return register(data).list_keys


def register(data: DataFolder) -> Register:
    """The folder's, checked against its own root. Raises SourceWrongError, OSError."""
    try:
        root = bytes.fromhex(data.register_root.read_text())
        return Register.read(data.register.read_bytes(), root)
    except (RegisterBrokenError, ValueError):
        raise SourceWrongError(
            "登録簿がこの認証局のものではありません / the register is not this authority's"
        ) from None


def published(data: DataFolder, core: Party) -> Library:
    """Every version published, with those that the core has beyond this folder's file: that is completed.

    Raises SourceWrongError, OSError, and what `staff_calls.ask` raises.
    """
    library = open_library(data.root)
    whole = library.with_newer(_newer_at(core, library), publisher_keys(data))
    if len(whole.signed) > len(library.signed):
        write_private(data.lists, list_files.encode(whole.signed))
    return whole


def _newer_at(core: Party, library: Library) -> list[SignedVersion]:
    """What the core has beyond our file: a publication whose end this folder did not see. Raises what `staff_calls.ask` raises."""
    found: list[SignedVersion] = []
    while True:
        held = library.heads[-1].number + len(found)
        answer = staff_calls.ask(core, _FETCH_PATH, [{"held": held}])[0]
        received = [
            SignedVersion(**{name: base64.b64decode(one[name]) for name in ("head", "signature", "content")})
            for one in answer.get("versions", [])
        ]
        if not received:
            return found
        found += received


def read_texts(files: Sequence[Path]) -> list[Text]:
    """Raises SourceWrongError."""
    found = []
    for path in files:
        try:
            found.append(Text(str(path), path.read_text(encoding="utf-8")))
        except OSError:
            raise SourceWrongError(f"{path} を読めません / the file cannot be read") from None
        except UnicodeDecodeError:
            raise SourceWrongError(
                f"{path} は UTF-8 ではありません。UTF-8 で保存してください / save it as UTF-8"
            ) from None
    return found


def _rows_of(text: Text) -> tuple[PermissionRow, ...]:
    """Raises SourceWrongError."""
    found = documents.read(text.name, text.text)
    if isinstance(found, Finding):
        raise SourceWrongError(f"{found.file}:{found.line}: {found.what}\n    → {found.mend}")
    try:
        return tuple(build([found.data]).rows.values())
    except ListBroken as broken:
        raise SourceWrongError(
            f"{text.name}: {broken}。sekisho lists lint で確かめてください / run lists lint on it"
        ) from None


def _in_force(permission_list: PermissionList, day: date) -> tuple[PermissionRow, ...]:
    rows = permission_list.rows.values()
    return tuple(row for row in rows if row.counts_on(day))


def _published(head: Head, document: Any) -> Text:
    """A document of a published version, written out again so that it can be looked at by line."""
    name = f"version-{head.number}/{document['basis']['id']}.json"
    return Text(name, json.dumps(document, ensure_ascii=False, indent=1))


def _basis_id(text: Text) -> str:
    """Of a document whose form was looked at already."""
    return str(yaml.load(text.text, Loader=yaml.CSafeLoader)["basis"]["id"])
