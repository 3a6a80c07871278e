from __future__ import annotations

import json
from pathlib import Path

from evidence.findings import FindingName
from gateway.verify_command import CLEAN, FOUND, MEANING, UNUSABLE, run
from tests.evidence.exchanges import several


def written(folder: Path) -> list[Path]:
    three = several()
    paths = []
    for log in (three.inquirer, three.core, three.provider):
        path = folder / f"{log.agency}.ndjson"
        path.write_bytes(b"".join(log.lines()))
        paths.append(path)
    (folder / "register.json").write_text(
        json.dumps({"logs": {log.origin: log.vkey for log in (three.inquirer, three.core, three.provider)}})
    )
    return paths


def test_clean_exports_end_with_zero_and_say_what_was_checked(tmp_path, capsys):
    assert run(written(tmp_path), tmp_path / "register.json", json=False) == CLEAN
    text = capsys.readouterr().out
    assert "clean" in text
    assert "not anchored" not in text


def test_without_a_register_the_report_says_so(tmp_path, capsys):
    assert run(written(tmp_path), None, json=False) == CLEAN
    assert "not anchored" in capsys.readouterr().out


def test_findings_end_with_one_and_are_named(tmp_path, capsys):
    paths = written(tmp_path)
    paths[1].write_bytes(paths[1].read_bytes().replace(b"r-12-3", b"r-12-4", 1))
    assert run(paths, None, json=False) == FOUND
    assert "bit_flip" in capsys.readouterr().out


def test_json_holds_findings_and_counts(tmp_path, capsys):
    paths = written(tmp_path)
    assert run(paths, None, json=True) == CLEAN
    report = json.loads(capsys.readouterr().out)
    assert report["clean"] is True
    assert report["inquiries"]["agree"] == 5
    paths[1].write_bytes(paths[1].read_bytes().replace(b"r-12-3", b"r-12-4", 1))
    assert run(paths, None, json=True) == FOUND
    report = json.loads(capsys.readouterr().out)
    assert {finding["name"] for finding in report["findings"]} >= {"bit_flip", "file_altered"}


def test_input_that_cannot_be_used_ends_with_two(tmp_path, capsys):
    paths = written(tmp_path)
    other = tmp_path / "other"
    other.write_text("hello\n")
    assert run([tmp_path / "absent"], None, json=False) == UNUSABLE
    assert run([other], None, json=False) == UNUSABLE
    assert run(paths, other, json=False) == UNUSABLE
    assert run(paths, None, json=False, trusted={"sekisho.test/x": "nonsense"}) == UNUSABLE
    capsys.readouterr()


def test_every_finding_has_a_meaning_in_japanese():
    assert set(MEANING) == set(FindingName)
