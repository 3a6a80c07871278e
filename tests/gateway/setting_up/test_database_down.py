"""Certificates and keys while the database is away: what has to be recorded is refused before anything of it is begun (IS-8)."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.__main__ import main
from gateway.exit_codes import UNREACHABLE
from gateway.setting_up.authority import fingerprint


@pytest.fixture
def still(folder):
    """The folder while its PostgreSQL does not run."""
    folder.postgres.stop()
    yield folder
    folder.postgres.start((folder.data.authority / "postgres-password").read_text().strip())


def contents(folder) -> dict[Path, bytes]:
    data = folder.data
    places = [
        data.register,
        *(path for top in (data.authority, data.clients, data.root / "roles") for path in top.rglob("*")),
    ]
    return {path: path.read_bytes() for path in places if path.is_file()}


@pytest.mark.parametrize(
    "words",
    [
        "certificates suspend CERTIFICATE",
        "certificates replace CERTIFICATE",
        "keys rotate permit --role network --agency network --lead 0",
        "keys rotate signing --role intermediate --agency setagaya --lead 0",
        "keys rotate replicas --role intermediate --agency setagaya",
        "keys rotate ca --lead 0",
        "keys rotate register-root --lead 0",
        "keys rotate permission-list --lead 0",
        "keys rotate backup-key --agency setagaya",
    ],
)
def test_is_8_nothing_is_begun_that_cannot_be_recorded_and_what_to_do_is_said(still, capsys, words):
    named = words.replace("CERTIFICATE", fingerprint(still.data.staff_identity("setagaya")))
    before = contents(still)
    assert main([*named.split(), "--data", str(still.data.root)]) == UNREACHABLE
    assert "start the database" in capsys.readouterr().err
    assert contents(still) == before
