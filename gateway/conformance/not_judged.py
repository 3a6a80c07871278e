"""What a run cannot judge, said line by line with its reason: a vendor must not take silence for a pass (docs/connecting.md, what to implement)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class NotJudged:
    """`id`: the call, or the check that was not made."""

    id: str
    title: str
    why: str
    cites: str


_NETWORK: Final = "docs/openapi/network.yaml"
_ASKING: Final = "照会者としての検査 (--inquirer) で調べる / judged as inquirer (--inquirer)"
_PROVIDING: Final = "提供者としての検査 (URL) で調べる / judged as provider (URL)"
_RELEASED: Final = "提供者としての検査 (URL と --late) で調べる / judged as provider (URL with --late)"
_REAL: Final = "本物の模擬網に届き、網がその場で拒むか答える / it reaches the simulated network itself, which refuses or answers it there: "


def _call(path: str, title: str, why: str, cites: str = _NETWORK) -> NotJudged:
    return NotJudged(id=path, title=title, why=why, cites=cites)


_OF_NEITHER: Final = (
    _call(
        "POST /code-requests",
        "住基ネットに符号を求める / asks for a code",
        f"{_REAL}符号が来なければ照会も提供もできない / without a code nothing else works",
        "docs/openapi/resident-network.yaml",
    ),
)
AS_PROVIDER: Final = (
    _call("POST /permits", "許可証を求める / asks for permits", _ASKING),
    _call("POST /inquiries", "許可証を示して照会する / inquires under a permit", _ASKING),
    _call("POST /permits/revoke", "使わない許可証を取り消す / takes back a permit that it will not use", _ASKING),
    _call("POST /list-versions", "照合リストの版を取りに行く / fetches versions of the list", _ASKING),
    _call("POST /registers", "登録簿を新しくする / renews the register", _ASKING),
    _call(
        "POST /code-epochs",
        "符号の世代を尋ね、済んだと知らせる / asks for epochs of codes, and says when it is through",
        _ASKING,
    ),
    _call("POST /code-renewals", "符号を新しい世代にする / renews its codes", _ASKING),
    _call("POST /held-checkpoints", "自分のログの控えを求める / asks for what is held of its own logs", _ASKING),
    *_OF_NEITHER,
)
AS_INQUIRER: Final = (
    _call("POST /late-outcomes", "保留を解いた結果をあとから届ける / delivers what was held", _RELEASED),
    _call(
        "POST /{agency}/provisions",
        "提供の要求に答える / answers requests",
        _PROVIDING,
        "docs/openapi/intermediate.yaml",
    ),
    _call(
        "POST /{agency}/codes",
        "待っている符号だけを受け取る / takes awaited codes alone",
        _PROVIDING,
        "docs/openapi/intermediate.yaml",
    ),
    *_OF_NEITHER,
)
