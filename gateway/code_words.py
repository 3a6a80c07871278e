"""Why the core did not renew a code, and what to do about it, for people (IS-1)."""

from __future__ import annotations

from typing import Final

_SEND: Final = "まずもう一度コアに送る (send it once more)"
_REPLACE: Final = "業務システムから符号を取り直す: sekisho call code-requests/replace、ground は new_epoch (have it replaced through the resident network)"
_WORDS: Final = {
    "code_not_of_this_agency": (
        "コアが、この機関の符号と認めない。保管中に壊れたおそれがある (the core does not know it as this agency's: it may be damaged)",
        f"{_SEND}。同じ答えなら、{_REPLACE}",
    ),
    "code_epoch_over": (
        "世代が終わり、コアにその鍵がない。古いバックアップから戻したときに起きる (its epoch is over, as after a restore of an old backup)",
        f"もう一度送っても変わらない。{_REPLACE}",
    ),
    "code_of_another_person": (
        "届いた符号が、ここではほかの人のもの (the code that came is another person's here)",
        f"二人の紐付けを「同一人の確認」で確かめてから、{_REPLACE}",
    ),
}


def why(reason: str) -> str:
    """A reason of the core, or of our own, in words; one that nobody has put into words is shown as its code."""
    return _WORDS[reason][0] if reason in _WORDS else reason


def what_to_do(reason: str) -> str:
    return _WORDS[reason][1] if reason in _WORDS else f"{_SEND}。同じ答えなら、{_REPLACE}"
