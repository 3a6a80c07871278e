"""What the commands return, the same for all of them."""

from __future__ import annotations

import sys
from typing import Final

OK: Final = 0
FAILED: Final = 1
BAD_INPUT: Final = 2
REFUSED: Final = 3
UNREACHABLE: Final = 4

EPILOG: Final = (
    "終了コード / exit codes: 0 正常 ok, 1 失敗・指摘あり failed or findings, 2 入力の誤り bad input, "
    "3 拒否 refused, 4 接続できない not reachable"
)


def end(text: str, code: int) -> int:
    """Say on standard error why a command ends, and return its exit code."""
    sys.stderr.write(f"{text}\n")
    return code
