"""SoftHSM2 of Debian as the security module: one token for this process and what it starts, in a folder that is no data folder.

SoftHSM keeps its token on a disk: it shows that we speak PKCS#11, and guards nothing by itself.
"""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

MODULE = Path("/usr/lib/softhsm/libsofthsm2.so")
TOKEN = "setagaya"
_PIN = "271828"


@dataclass(frozen=True)
class SoftHsm:
    folder: Path
    pin_file: Path

    @property
    def arguments(self) -> tuple[str, ...]:
        """For `sekisho keys guard`, without the label of the key."""
        return ("--by", "hsm", "--module", str(MODULE), "--token", TOKEN, "--pin-file", str(self.pin_file))


def soft_hsm() -> SoftHsm:
    """Skips where SoftHSM2 is not installed; in CI that is a failure."""
    if shutil.which("softhsm2-util") is None or not MODULE.exists():
        said = "SoftHSM2 is not installed: sudo apt-get install softhsm2"
        if os.environ.get("CI"):
            pytest.fail(said)
        pytest.skip(said)
    return _made()


def settings_for(folder: Path) -> Path:
    """SoftHSM's configuration for tokens in this folder."""
    (folder / "tokens").mkdir(parents=True, exist_ok=True)
    settings = folder / "softhsm2.conf"
    settings.write_text(f"directories.tokendir = {folder / 'tokens'}\nobjectstore.backend = file\nlog.level = ERROR\n")
    return settings


@cache
def _made() -> SoftHsm:
    """SoftHSM reads its settings when its library is loaded: once in a process."""
    folder = Path(tempfile.mkdtemp(prefix="sekisho-hsm-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.environ["SOFTHSM2_CONF"] = str(settings_for(folder))
    words = ["softhsm2-util", "--init-token", "--free", "--label", TOKEN, "--pin", _PIN, "--so-pin", "314159"]
    subprocess.run(words, check=True, capture_output=True, timeout=60)
    pin_file = folder / "pin"
    pin_file.write_text(_PIN)
    return SoftHsm(folder=folder, pin_file=pin_file)
