"""Step 8: every party's log is exported, verified without the database, and agrees line by line; tampering is named (SC-6, SC-7, IS-5)."""

from __future__ import annotations

import json
from collections.abc import Callable
from hashlib import sha256
from typing import Any

from evidence import checkpoint
from evidence.agreement import agree
from evidence.merkle import Frontier, leaf_hash
from evidence.verify import Export, verify
from gateway.demonstration.stage import WARD, Stage, Step
from gateway.verify_command import FileLines
from keys.signing import Signer
from keys.windows import PublicKeys

_Lines = list[bytes]


async def logs_agree(stage: Stage) -> None:
    with stage.step("records", "8. 証跡ログの検証と三者の突合、改ざんの検出") as step:
        await _export(stage)
        trusted = _trusted(stage)
        exports = [Export(path.name, FileLines(path)) for path in sorted(stage.exports.glob("*.ndjson"))]
        report = verify(exports, trusted)
        step.expect("検証した書き出し", len(exports), len(stage.known_to) + 2)
        step.expect("見つかった異常", len(report.findings), 0)
        compared = agree(exports)
        step.expect("照会番号ごとの食い違い", len(compared.findings), 0)
        step.check("突合した照会がある", compared.inquiries > stage.facts["inquiries"])
        stage.facts["logs"] = _sizes(stage)
        stage.facts["inquiries_compared"] = compared.inquiries
        for finding in (*report.findings, *compared.findings)[:10]:
            stage.console.print(f"       [red]{finding}[/red]", highlight=False)
        _tampering(stage, step, trusted)


async def _export(stage: Stage) -> None:
    async with stage.staff("network", "network") as staff:
        (stage.exports / "core.ndjson").write_bytes(await staff.download("/log"))
    for agency in (WARD, *stage.known_to):
        async with stage.staff(agency, stage.role_of(agency, "intermediate")) as staff:
            (stage.exports / f"{agency}.ndjson").write_bytes(await staff.download(f"/{agency}/log"))


def _trusted(stage: Stage) -> dict[str, PublicKeys]:
    """Origin with year → keys, from the signed register: not from the exports."""
    register = stage.running.role("intermediate").register
    return {
        f"{origin}/{year}": keys
        for origin, keys in register.logs.items()
        for year in (2021, 2022, 2023, 2024, 2025, 2026)
    }


def _sizes(stage: Stage) -> dict[str, dict[str, Any]]:
    sizes = {}
    for path in sorted(stage.exports.glob("*.ndjson")):
        lines = path.read_bytes().splitlines()
        notes = [json.loads(line)["checkpoint"] for line in lines if line.startswith(b'{"checkpoint"')]
        last = checkpoint.parse(notes[-1])
        sizes[last.origin] = {"size": last.size, "root": last.root.hex()}
    return sizes


def _tampering(stage: Stage, step: Step, trusted: dict[str, PublicKeys]) -> None:
    """Five attacks on the ward's export; each must be named by the verifier, with the other exports beside it."""
    honest = stage.exports / f"{WARD}.ndjson"
    others = [path for path in sorted(stage.exports.glob("*.ndjson")) if path != honest]
    folder = stage.exports / "tampered"
    folder.mkdir(exist_ok=True)
    signer = stage.running.role("intermediate").open_keys(WARD).ring.signer("log")
    attacks: dict[str, tuple[Callable[[_Lines], _Lines], frozenset[str]]] = {
        "1ビットの反転": (_flip, frozenset({"bit_flip"})),
        "途中の欠落": (_drop_middle, frozenset({"dropped_entry"})),
        "末尾の欠落": (_drop_tail, frozenset({"dropped_tail"})),
        "入れ替え": (_swap, frozenset({"swapped_entries"})),
        "枝分かれ（鍵を持つ者による書き直し）": (lambda lines: _fork(lines, signer), frozenset({"fork"})),
    }
    for title, (bend, names) in attacks.items():
        path = folder / f"{WARD}-{min(names)}.ndjson"
        path.write_bytes(b"".join(_resealed(bend(honest.read_bytes().splitlines(keepends=True)))))
        found = {
            finding.name
            for finding in verify([Export(one.name, FileLines(one)) for one in (path, *others)], trusted).findings
        }
        step.check(f"改ざんの検出: {title} → {min(names)}", names <= {str(name) for name in found})


def _entries(lines: _Lines) -> list[int]:
    return [position for position, line in enumerate(lines) if line.startswith(b'{"entry"')]


def _flip(lines: _Lines) -> _Lines:
    at = _entries(lines)[len(_entries(lines)) // 2]
    bent = lines[at].replace(b'\\"v\\":1', b'\\"v\\":0', 1)
    return [*lines[:at], bent, *lines[at + 1 :]]


def _drop_middle(lines: _Lines) -> _Lines:
    at = _entries(lines)[len(_entries(lines)) // 2]
    return [*lines[:at], *lines[at + 1 :]]


def _drop_tail(lines: _Lines) -> _Lines:
    """Take the last entries and every checkpoint that covers them away, and mend the header: only others can tell now."""
    keep = _entries(lines)[: len(_entries(lines)) * 9 // 10]
    kept = lines[: keep[-1] + 1]
    header = json.loads(kept[0]) | {"size": len(keep)}
    return [_line(header), *kept[1:], lines[-1]]


def _swap(lines: _Lines) -> _Lines:
    one, other = _entries(lines)[10], _entries(lines)[20]
    bent = list(lines)
    bent[one], bent[other] = lines[other], lines[one]
    return bent


def _fork(lines: _Lines, signer: Signer) -> _Lines:
    """Rewrite one entry and sign every later checkpoint anew, as a dishonest insider with the log's key could."""
    header = json.loads(lines[0])
    frontier = Frontier()
    bent = []
    for line in lines:
        if line.startswith(b'{"entry"'):
            found = json.loads(line)
            if found["index"] == 5:
                found["entry"] = found["entry"].replace('"v":1', '"v":0', 1)
            leaf = leaf_hash(found["entry"].encode())
            frontier = frontier.extend([leaf]).frontier
            bent.append(_line(found | {"leaf": leaf.hex()}))
        elif line.startswith(b'{"checkpoint"'):
            bent.append(
                _line({"checkpoint": checkpoint.sign(header["origin"], frontier.size, frontier.root(), signer)})
            )
        else:
            bent.append(line)
    return bent


def _line(value: dict[str, Any]) -> bytes:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _resealed(lines: _Lines) -> _Lines:
    """The closing line made to fit again: whoever tampers would do the same."""
    body = lines[:-1]
    return [*body, _line({"end": {"lines": len(body), "sha256": sha256(b"".join(body)).hexdigest()}})]
