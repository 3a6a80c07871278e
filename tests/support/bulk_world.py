"""Inquiry files for tests: lines in each form, an intermediate server that remembers what it was asked, and a register with agencies."""

from __future__ import annotations

import asyncio
import csv
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from gateway.linkage_server.bulk_inquiries.form import FIELDS, HEADER
from keys.signing import Signer, generate_seed
from tests.support.linkage_world import Neighbours, World
from transport.register import sign_register

WIDTHS = (2, 15, 15, 17, 20, 20, 16, 1, 16, 16, 16, 16, 16, 16, 1, 1, 8, 8)
ACCOUNTS = "TM00000000000089"
AGENCIES = {"setagaya": "9999000000000001", "suginami": "9999000000000004", "naikaku": "9999000000000006"}
SCOPES = ("addressees:register", "persons:change", "inquiries:create", "inquiry-files:spool")
ACCOUNT = {
    "金融機関コード": {"value": "9999"},
    "金融機関名カナ": {"value": "カクウ"},
    "店番": {"value": "001"},
    "支店名カナ": {"value": "ホンテン"},
    "預貯金種目コード": {"value": "1"},
    "口座番号": {"value": "0000001"},
    "名義人氏名カナ": {"value": "ﾓｷﾞ"},
}


def request(nth: int, **changes: str) -> dict[str, str]:
    """One line, by name: the ward asks 内閣総理大臣 for the account of its `nth` person."""
    line = dict.fromkeys(FIELDS, "") | {
        "number_scheme": "01",
        "addressee_number": f"{nth:015d}",
        "requested_at": "20230601090000000",
        "department": "0000000001",
        "inquirer": AGENCIES["setagaya"],
        "non_disclosure": "1",
        "affair": "JM99000000000042",
        "procedure": "JT99000000000042",
        "provider": AGENCIES["naikaku"],
        "information": ACCOUNTS,
        "condition": "0",
        "year_condition": "0",
    }
    return line | changes


def fixed(line: Mapping[str, str], separator: str = ",") -> str:
    padded = []
    for name, width in zip(FIELDS, WIDTHS, strict=True):
        padded.append(line[name].rjust(width, "0") if name == "addressee_number" else line[name].ljust(width))
    return separator.join(padded)


def file_of(lines: list[Mapping[str, str] | str], form: str = "comma", encoding: str = "cp932") -> bytes:
    """A file in one of the three forms; a text stands for itself."""
    separator = {"comma": ",", "width": "", "csv": ","}[form]

    def text(line: Mapping[str, str] | str) -> str:
        if isinstance(line, str):
            return line
        return ",".join(line[name] for name in FIELDS) if form == "csv" else fixed(line, separator)

    head = [HEADER] if form == "csv" else []
    return "".join(f"{one}\r\n" for one in (*head, *map(text, lines))).encode(encoding)


@dataclass
class Intermediate(Neighbours):
    """Answers every inquiry once by its message id. `says` tells what, from the item; `ends`: what a held one became meanwhile."""

    says: Callable[[dict[str, Any]], dict[str, Any]] = lambda _item: answered()
    numbers: dict[str, str] = field(default_factory=dict)
    questions: dict[str, set[str]] = field(default_factory=dict)
    sent: Counter[str] = field(default_factory=Counter)
    given: dict[str, dict[str, Any]] = field(default_factory=dict)
    about: dict[str, str] = field(default_factory=dict)
    ends: Callable[[dict[str, Any]], dict[str, Any]] = lambda answer: answer

    def _inquiry(self, item: dict[str, Any]) -> dict[str, Any]:
        identity = item["message_id"]
        self.sent[identity] += 1
        self.questions.setdefault(identity, set()).add(json.dumps(item, sort_keys=True))
        if identity not in self.numbers:
            said = self.says(item)
            if "retry" in said or "refused" in said:
                return said
            number = self.numbers[identity] = f"Q{len(self.numbers):026d}"
            self.about[number] = item["integrated_number"]
            self.given[number] = said | {"inquiry_number": number}
        return self._result({"inquiry_number": self.numbers[identity]})

    def _result(self, item: dict[str, Any]) -> dict[str, Any]:
        number = item["inquiry_number"]
        answer = self.given[number] = self.ends(self.given[number])
        if answer["values"] is not None and self.about[number] not in item.get(
            "integrated_numbers", [self.about[number]]
        ):
            return answer | {"outcome": answer["state"], "reason": "person_changed", "values": None}
        return answer


def answered(**items: Any) -> dict[str, Any]:
    record = {"data_set": "公的給付支給等口座情報", "version": "0001", "items": {**ACCOUNT, **items}}
    return said("answered", "answered", values=[record])


def said(state: str, outcome: str | None = None, reason: str | None = None, values: Any = None) -> dict[str, Any]:
    return {"state": state, "outcome": outcome, "reason": reason, "values": values}


def with_agencies(world: World, **options: Any) -> Intermediate:
    """Give the world agencies with codes, and an intermediate server that remembers; returns the latter."""
    known = world.config.register
    root = Signer(generate_seed())
    agencies = [
        {"id": name, "code": code, "name": name, "kinds": [], "signing_key": "00" * 32, "assessed": True}
        for name, code in AGENCIES.items()
    ]
    body = {
        "agencies": agencies,
        "certificates": [],
        "logs": [{"origin": origin, "key": keys.all()[-1].hex()} for origin, keys in known.logs.items()],
        "permit_key": "00" * 32,
    }
    world.config.register_path.write_bytes(sign_register(body, root))
    quick = {"inquiry_file_look_s": 0.1, "inquiry_file_supplement_look_s": 0.2, "inquiry_file_patience_s": 0}
    world.config = replace(
        world.config, register_root=root.public_key, options={**world.config.options, **quick, **options}
    )
    world.neighbours = Intermediate()
    return world.neighbours


def deposit(
    folder: Path, data: bytes, name: str, *, count: int, encoding: str = "cp932", form: str = "fixed_width"
) -> None:
    """Put a file and then its manifest into the `in/` of a channel's folder, as a business system does."""
    manifest = {
        "file": name,
        "kind": "inquiries",
        "count": count,
        "sha256": hashlib.sha256(data).hexdigest(),
        "encoding": encoding,
        "form": form,
    }
    (folder / "in").mkdir(parents=True, exist_ok=True)
    (folder / "in" / name).write_bytes(data)
    part = folder / f".{name}.part"
    part.write_text(json.dumps(manifest))
    part.replace(folder / "in" / f"{name}.manifest.json")


def send(world: World, data: bytes, name: str, **how: Any) -> Path:
    """Send a file as the world's business system; returns the channel's folder."""
    folder = world.config.spool / "setagaya" / "kokuho" / "inquiries"
    deposit(folder, data, name, **how)
    return folder


async def result_bytes(folder: Path, name: str) -> bytes:
    """Wait until a file is through; its result file, or the reason as an error."""
    for _ in range(1500):
        if (folder / "done" / f"{name}.manifest.json").exists() and not (folder / "work" / name).exists():
            return (folder / "done" / f"{name}.result.csv").read_bytes()
        if (folder / "failed" / f"{name}.reason.json").exists():
            raise AssertionError(json.loads((folder / "failed" / f"{name}.reason.json").read_text())["reason"])
        await asyncio.sleep(0.02)
    raise AssertionError("the file did not come through")


async def until_there(path: Path) -> bytes:
    for _ in range(1500):
        if path.exists():
            return path.read_bytes()
        await asyncio.sleep(0.02)
    raise AssertionError("the file was not written")


def rows(data: bytes, encoding: str = "cp932") -> list[list[str]]:
    return list(csv.reader(data.decode(encoding).splitlines()))
