from __future__ import annotations

import argparse
import json
from datetime import timedelta
from pathlib import Path

from evidence.checkpoint import parse_vkey
from evidence.entry import EntryKind, other_entry
from evidence.findings import FindingName
from gateway import verify_arguments
from gateway.verify_command import CLEAN, FOUND, MEANING, UNUSABLE, run
from keys.signing import Signer, generate_seed
from tests.evidence.exchanges import START, several
from transport.register import sign_register


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


def test_without_a_register_the_report_says_so_and_is_not_clean(tmp_path, capsys):
    assert run(written(tmp_path), None, json=False) == FOUND
    text = capsys.readouterr().out
    assert "not anchored" in text
    assert "(clean)" not in text


def test_keys_that_the_exports_name_themselves_do_only_when_that_is_said(tmp_path, capsys):
    assert run(written(tmp_path), None, json=False, self_declared=True) == CLEAN
    assert "not anchored" in capsys.readouterr().out


def with_command(*words: object) -> int:
    parser = argparse.ArgumentParser()
    verify_arguments.add_arguments(parser)
    return verify_arguments.run(parser.parse_args([str(word) for word in words]))


def signed(folder: Path, root: Signer) -> Path:
    """The signed register of the three logs, in a folder of its own."""
    three = several()
    logs = [
        {"origin": log.origin.rpartition("/")[0], "key": parse_vkey(log.vkey)[1].hex()}
        for log in (three.inquirer, three.core, three.provider)
    ]
    folder.mkdir(exist_ok=True)
    path = folder / "register.json"
    body = {"agencies": [], "certificates": [], "logs": logs, "permit_key": ""}
    path.write_bytes(sign_register(body, root))
    return path


def test_an_outside_auditor_anchors_in_the_signed_register_by_its_root(tmp_path, capsys):
    root = Signer(generate_seed())
    exports, register = written(tmp_path), signed(tmp_path / "auditor", root)
    assert with_command(*exports, "--register", register, "--root", root.public_key.hex()) == CLEAN
    assert "not anchored" not in capsys.readouterr().out
    authority = register.parent / "authority"
    authority.mkdir()
    (authority / "register-root.public").write_text(root.public_key.hex())
    assert with_command(*exports, "--register", register) == CLEAN
    exports[1].write_bytes(exports[1].read_bytes().replace(b"r-12-3", b"r-12-4", 1))
    assert with_command(*exports, "--register", register) == FOUND


def test_a_register_without_its_root_or_of_another_root_is_bad_input(tmp_path, capsys):
    exports, register = written(tmp_path), signed(tmp_path / "auditor", Signer(generate_seed()))
    another = Signer(generate_seed()).public_key.hex()
    assert with_command(*exports, "--register", register) == UNUSABLE
    assert "--root" in capsys.readouterr().err
    assert with_command(*exports, "--register", register, "--root", another) == UNUSABLE
    assert with_command(*exports, "--register", register, "--root", "nonsense") == UNUSABLE
    assert with_command(*exports, "--register", tmp_path / "register.json", "--root", another) == UNUSABLE
    register.write_bytes(b"[" * 100_000)
    assert with_command(*exports, "--register", register, "--root", another) == UNUSABLE
    capsys.readouterr()


def test_the_unsigned_list_of_keys_does_as_before(tmp_path, capsys):
    assert with_command(*written(tmp_path), "--register", tmp_path / "register.json") == CLEAN
    assert "not anchored" not in capsys.readouterr().out


def test_findings_end_with_one_and_are_named(tmp_path, capsys):
    paths = written(tmp_path)
    paths[1].write_bytes(paths[1].read_bytes().replace(b"r-12-3", b"r-12-4", 1))
    assert run(paths, None, json=False) == FOUND
    assert "bit_flip" in capsys.readouterr().out


def test_json_holds_findings_and_counts(tmp_path, capsys):
    paths = written(tmp_path)
    assert run(paths, None, json=True, self_declared=True) == CLEAN
    report = json.loads(capsys.readouterr().out)
    assert (report["clean"], report["anchored"]) == (True, False)
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


def test_a_file_that_cannot_be_read_is_named(tmp_path, capsys):
    assert run([*written(tmp_path), tmp_path / "absent.ndjson"], None, json=False) == UNUSABLE
    assert str(tmp_path / "absent.ndjson") in capsys.readouterr().err


def test_a_tail_that_no_peer_has_seen_is_not_told_as_witnessed(tmp_path, capsys):
    """Whoever has the key can write it anew: the report says how far others vouch for the log."""
    paths, core = written(tmp_path), several().core
    run(paths, tmp_path / "register.json", json=False)
    assert "behind the last checkpoint that others hold" not in capsys.readouterr().out
    for unseen in ({"count": 1}, {"count": 2}):
        core.bodies, core.notes = core.bodies[:11], core.notes[:11]
        core.append(
            other_entry(id="codes-2", at=START + timedelta(seconds=100), kind=EntryKind.CODES_ISSUED, facts=unseen)
        )
        paths[1].write_bytes(b"".join(core.lines()))
        run(paths, tmp_path / "register.json", json=False)
        assert "behind the last checkpoint that others hold" in capsys.readouterr().out
        run(paths, tmp_path / "register.json", json=True)
        report = json.loads(capsys.readouterr().out)
        [told] = [log for log in report["logs"] if log["party"] == "core"]
        assert (report["findings"], told["vouched"], told["entries"]) == ([], 11, 12)
    run(paths[1:2], None, json=True, self_declared=True)
    assert [log["vouched"] for log in json.loads(capsys.readouterr().out)["logs"]] == [0]


def test_every_finding_has_a_meaning_in_japanese():
    assert set(MEANING) == set(FindingName)


def test_open_and_lonely_inquiries_are_listed_when_asked_for(tmp_path, capsys):
    three = several()
    three.permitted(10)
    paths = []
    for log in (three.inquirer, three.core, three.provider):
        paths.append(tmp_path / f"{log.agency}.ndjson")
        paths[-1].write_bytes(b"".join(log.lines()))
    opened, alone = f"Q{10:026}", f"Q{2:026}"
    run(paths, None, json=False, self_declared=True)
    assert opened not in capsys.readouterr().out
    run(paths, None, json=False, self_declared=True, listed=True)
    text = capsys.readouterr().out
    assert text.index(opened) < text.index(alone)
    run(paths, None, json=True, self_declared=True)
    inquiries = json.loads(capsys.readouterr().out)["inquiries"]
    assert (inquiries["open_numbers"], inquiries["alone_numbers"]) == ([opened], [alone])


def test_a_log_of_which_no_peers_checkpoint_was_given_says_that_a_fork_cannot_be_seen(tmp_path, capsys):
    paths = written(tmp_path)
    assert run(paths[:1], None, json=False, self_declared=True) == CLEAN
    assert "a fork cannot be seen" in capsys.readouterr().out
    assert run(paths, None, json=False, self_declared=True) == CLEAN
    assert "a fork cannot be seen" not in capsys.readouterr().out
    run(paths[:1], None, json=True, self_declared=True)
    assert json.loads(capsys.readouterr().out)["forks_unseen"] == [paths[0].name]


def test_findings_of_a_kind_stand_together_and_swapped_entries_first(tmp_path, capsys):
    paths = written(tmp_path)
    lines = paths[0].read_bytes().splitlines(keepends=True)
    places = [at for at, line in enumerate(lines) if line.startswith(b'{"entry"')]
    lines[places[1]], lines[places[2]] = lines[places[2]], lines[places[1]]
    paths[0].write_bytes(b"".join(lines))
    paths[1].write_bytes(paths[1].read_bytes().replace(b"r-12-3", b"r-12-4"))
    assert run(paths, None, json=False, self_declared=True) == FOUND
    found = [line.split()[1] for line in capsys.readouterr().out.splitlines() if line.startswith("✗ ")]
    assert found[0] == "swapped_entries"
    assert len([name for name, before in zip(found, [None, *found], strict=False) if name != before]) == len(set(found))


def test_a_file_of_records_that_is_not_there_is_named_and_not_the_register(tmp_path, capsys):
    root = Signer(generate_seed())
    register = signed(tmp_path / "folder", root)
    words = ("--extract", tmp_path / "nofile.ndjson", "--register", register, "--root", root.public_key.hex())
    assert with_command(*words) == UNUSABLE
    assert capsys.readouterr().err.rstrip().endswith(str(tmp_path / "nofile.ndjson"))
