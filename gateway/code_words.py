"""Why the core did not renew a code, and what to do about it, for people (IS-1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Told:
    """One thing in both languages."""

    japanese: str
    english: str

    def __str__(self) -> str:
        return f"{self.japanese} / {self.english}"


_SEND: Final = Told(
    "もう一度コアに送る。同じ答えなら、業務システムから符号を取り直す（sekisho call code-requests/replace、ground は new_epoch）",
    "send it once more; if the answer is the same, have it replaced (sekisho call code-requests/replace, ground new_epoch)",
)
_REPLACE: Final = Told(
    "もう一度送っても変わらない。業務システムから符号を取り直す（sekisho call code-requests/replace、ground は new_epoch）",
    "sending it again is of no use; have it replaced (sekisho call code-requests/replace, ground new_epoch)",
)
_WORDS: Final = {
    "code_not_of_this_agency": (
        Told(
            "コアが、この機関の符号と認めない。保管中に壊れたおそれがある",
            "the core does not know it as this agency's: it may be damaged",
        ),
        _SEND,
    ),
    "code_epoch_over": (
        Told(
            "世代が終わり、コアにその鍵がない。古いバックアップから戻したときに起きる",
            "its epoch is over, as after a restore of an old backup",
        ),
        _REPLACE,
    ),
    "code_of_another_person": (
        Told("届いた符号が、ここではほかの人のもの", "the code that came is another person's here"),
        Told(
            "二人の紐付けを「同一人の確認」で確かめてから、業務システムから符号を取り直す（sekisho call code-requests/replace、ground は new_epoch）",
            "look at the links of both people first, then have it replaced (sekisho call code-requests/replace, ground new_epoch)",
        ),
    ),
}


def why(reason: str) -> Told:
    """A reason of the core, or of our own, in words; one that nobody has put into words is shown as its code."""
    return _WORDS[reason][0] if reason in _WORDS else Told(reason, reason)


def what_to_do(reason: str) -> Told:
    return _WORDS[reason][1] if reason in _WORDS else _SEND
