"""What kinds of notice are called for people (IS-10)."""

from __future__ import annotations

from typing import Final

POSTED: Final = {"planned_stop": "計画停止", "trouble": "障害", "list_change": "照合リストの変更", "other": "その他"}
"""Kinds that an operator posts."""
KINDS: Final = {
    **POSTED,
    "circuit_open": "ネットワークから答えがありません（送るものは残っています）",
    "use_suspended": "利用停止中です",
    "list_not_taken": "照合リストの新しい版を受け取れません",
    "log_not_writable": "記録を書けません（何も送り出しません）",
    "codes_not_renewed": "コアが更新しなかった符号があります（数字は件数）",
    "bars_unchecked": "確認を待つ制限があります。副本とともに移ったものを含みます（数字は件数）",
    "granting_ends": "権限を承認・申請できる職員が足りなくなる時です（時刻がなければ今）。職員の期限を延長してください",
    "intermediate_server_away": "中間サーバーから答えがありません",
}
