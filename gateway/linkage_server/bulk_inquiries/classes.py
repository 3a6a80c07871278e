"""What became of a line, as two statuses and a message (DOMAIN §1.4).

`09` with `01` "正常終了" is what is known of the real form; every other value is ours. A line is open while its class is; one that may be
asked again stands in the re-ask file. docs/inquiry-files.md shows this table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from permission_lists.decide import Reason


class LineClass(StrEnum):
    """Values are the database's and stand in result files."""

    ANSWERED = "answered"
    EMPTY = "empty"
    EMPTY_BY_REASON = "empty_by_reason"
    NO_SUCH_PERSON = "no_such_person"
    NO_REPLICA = "no_replica"
    NONE_IN_PERIOD = "none_in_period"
    HELD = "held"
    WAITING = "waiting"
    NOT_PERMITTED = "not_permitted"
    CODE_NOT_OBTAINED = "code_not_obtained"
    CODE_CANCELLED = "code_cancelled"
    REFUSED_BY_PROVIDER = "refused_by_provider"
    TIMED_OUT = "timed_out"
    ABORTED = "aborted"
    ANSWER_DELETED = "answer_deleted"
    PERSON_CHANGED = "person_changed"
    NOT_IN_ENCODING = "not_in_encoding"
    MALFORMED = "malformed"
    CODE_UNKNOWN = "code_unknown"
    PROVIDER_UNKNOWN = "provider_unknown"
    NOT_CARRIED = "not_carried"
    DUPLICATE = "duplicate"
    ADDRESSEE_UNKNOWN = "addressee_unknown"
    ADDRESSEE_ENDED = "addressee_ended"
    ADDRESSEE_REPLACED = "addressee_replaced"
    ADDRESSEE_AMBIGUOUS = "addressee_ambiguous"
    PERSON_FROZEN = "person_frozen"
    USE_SUSPENDED = "use_suspended"


@dataclass(frozen=True, slots=True)
class Status:
    """`line`, `information`: the statuses of line and TM; `again`: whether asking again can help."""

    line: str
    information: str
    message: str
    again: bool = False


STATUSES: Final[Mapping[LineClass, Status]] = {
    LineClass.ANSWERED: Status("09", "01", "正常終了"),
    LineClass.EMPTY: Status("09", "11", "該当する情報は０件です"),
    LineClass.EMPTY_BY_REASON: Status("09", "12", "項目が未設定です（未設定事由）"),
    LineClass.NO_SUCH_PERSON: Status("09", "13", "該当者がありません"),
    LineClass.NO_REPLICA: Status("09", "14", "副本が登録されていません"),
    LineClass.NONE_IN_PERIOD: Status("09", "15", "照会した年度・期間に該当する情報がありません"),
    LineClass.HELD: Status("02", "21", "提供者が確認中です（回答は追加の結果ファイルで届きます）"),
    LineClass.WAITING: Status("02", "22", "提供者の回答待ちです（回答は追加の結果ファイルで届きます）"),
    LineClass.NOT_PERMITTED: Status("11", "31", "指定された特定個人情報名「{information}」の照会は許可されていません"),
    LineClass.REFUSED_BY_PROVIDER: Status("11", "32", "提供者または情報提供ネットワークシステムが提供を拒みました"),
    LineClass.CODE_NOT_OBTAINED: Status("12", "33", "符号が未取得です", again=True),
    LineClass.CODE_CANCELLED: Status("12", "34", "符号が取り消されています"),
    LineClass.TIMED_OUT: Status("12", "41", "期限までに提供者の回答がありませんでした", again=True),
    LineClass.ABORTED: Status("12", "42", "照会が中断されました", again=True),
    LineClass.ANSWER_DELETED: Status("12", "43", "回答は保存期間を過ぎて削除されました", again=True),
    LineClass.PERSON_CHANGED: Status("12", "44", "照会の途中で宛名番号の指す人が変わりました", again=True),
    LineClass.PERSON_FROZEN: Status("12", "45", "この人の照会は確認のため止められています", again=True),
    LineClass.USE_SUSPENDED: Status("12", "46", "利用停止中です（照会した機関または照会先）", again=True),
    LineClass.NOT_IN_ENCODING: Status("13", "51", "{where}にこのファイルの文字コードで書けない文字があります。UTF-8 のファイルか照会番号で受け取ってください"),
    LineClass.MALFORMED: Status("21", "", "{where}の書き方が正しくありません"),
    LineClass.CODE_UNKNOWN: Status("22", "", "{where}のコードは登録されていないか、この団体のものではありません"),
    LineClass.PROVIDER_UNKNOWN: Status("23", "", "照会先がありません（国外、または登録のない団体）"),
    LineClass.NOT_CARRIED: Status("24", "", "{where}の指定は送れないか、ほかの項目と合いません"),
    LineClass.DUPLICATE: Status("25", "", "同じ照会がこのファイルの前の行にあります"),
    LineClass.ADDRESSEE_UNKNOWN: Status("26", "", "宛名番号が登録されていません"),
    LineClass.ADDRESSEE_ENDED: Status("27", "", "宛名番号の登録は終わっています"),
    LineClass.ADDRESSEE_REPLACED: Status("28", "", "宛名番号は替わっています（旧番号）"),
    LineClass.ADDRESSEE_AMBIGUOUS: Status("29", "", "先頭の 0 の数の違う宛名番号が登録されています。CSV の形で、登録のとおりの桁数で書いてください"),
}  # fmt: skip
ORPHANS: Final = frozenset({LineClass.ADDRESSEE_UNKNOWN, LineClass.ADDRESSEE_ENDED, LineClass.ADDRESSEE_REPLACED})
OPEN: Final = frozenset({LineClass.HELD, LineClass.WAITING})

_NOT_PERMITTED: Final = frozenset(reason.value for reason in Reason) | {"delegation_not_on_file"}
_CODE: Final = frozenset({"code_not_obtained", "code_not_of_this_agency", "code_replaced", "code_epoch_over"})
_CANCELLED: Final = "code_cancelled"
_BY_REASON: Final = {
    **dict.fromkeys(_NOT_PERMITTED, LineClass.NOT_PERMITTED),
    **dict.fromkeys(_CODE, LineClass.CODE_NOT_OBTAINED),
    "use_suspended": LineClass.USE_SUSPENDED,
    "person_changed": LineClass.PERSON_CHANGED,
}
"""Reason of a refusal → the class of the line; any other was the provider's or the network's."""
_BY_OUTCOME: Final = {
    "no_such_person": LineClass.NO_SUCH_PERSON,
    "no_replica": LineClass.NO_REPLICA,
    "none_in_period": LineClass.NONE_IN_PERIOD,
    "empty_by_reason": LineClass.EMPTY_BY_REASON,
}


def class_of(state: str | None, outcome: str | None, reason: str | None, values: list[Any] | None) -> LineClass:  # noqa: PLR0911 (one return a state)
    """What an answer of the intermediate server (IF_SKI_90012, 90013) makes of a line."""
    match state:
        case "answered" | "not_provided":
            if values is None:
                return _BY_REASON.get(reason or "", LineClass.ANSWER_DELETED)
            return _BY_OUTCOME.get(outcome or "", LineClass.ANSWERED if values else LineClass.EMPTY)
        case "held":
            return LineClass.HELD
        case "refused" | "aborted" if reason == _CANCELLED:
            return LineClass.CODE_CANCELLED
        case "refused":
            return _BY_REASON.get(reason or "", LineClass.REFUSED_BY_PROVIDER)
        case "aborted" if reason == "deadline_passed":
            return LineClass.TIMED_OUT
        case "aborted":
            return LineClass.ABORTED
        case _:
            return LineClass.WAITING
