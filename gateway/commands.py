"""The commands of `sekisho`. A command's module is imported when it is asked for."""

from __future__ import annotations

from typing import Final

COMMANDS: Final = {
    "up": ("gateway.up_command", "add_up_arguments", "run_up", "すべてを起動する。Ctrl-C で止まる / start everything"),
    "serve": ("gateway.serve_command", "add_arguments", "run", "一つの役割を動かす / run one role"),
    "migrate": ("gateway.up_command", "add_arguments", "run_migrate", "セットアップだけ行う / set up without starting"),
    "demo": ("gateway.demonstration.run", "add_arguments", "run", "架空の住民で最初から最後まで / the whole job on synthetic residents"),
    "decide": ("gateway.decide_command", "add_arguments", "run", "照合リストで照会の可否を答える / is this inquiry permitted?"),
    "lists": ("gateway.lists_command", "add_arguments", "run", "照合リストの版を見る・比べる・調べる・発行する / versions of the permission list"),
    "trace": ("gateway.trace_command", "add_arguments", "run", "照会番号を全当事者の記録で追う / one inquiry through every party"),
    "assess": ("gateway.assess_command", "add_arguments", "run", "評価書の措置が守られているか点検する / is what the report promises kept?"),
    "verify": ("gateway.verify_arguments", "add_arguments", "run", "証跡の書き出しを検証する / verify exports of the evidence log"),
    "export": ("gateway.export_command", "add_arguments", "run", "証跡を書き出す / export an evidence log"),
    "records": ("gateway.records_command", "add_arguments", "run", "情報提供等記録の検索・訂正・開示・消去 / exchange records"),
    "terminal": ("gateway.terminal_command", "add_arguments", "run", "接続端末の画面を開く / pages for staff, in a browser"),
    "portal": ("gateway.portal_command", "add_arguments", "run", "マイナポータル（模擬）で自己情報と開示を本人として見る / the portal, as a synthetic citizen"),
    "held": ("gateway.held_command", "add_arguments", "run", "保留中の提供を見る・許す・拒む / held provisions"),
    "copies": ("gateway.copies_command", "add_arguments", "run", "一人について持つ副本を見る / the copies held of one person"),
    "bars": ("gateway.bars_command", "add_arguments", "run", "自動応答不可と凍結を付ける・外す / bars and frozen people"),
    "staff": ("gateway.staff_command", "add_arguments", "run", "職員のログイン・登録・権限・分析 / staff: log-in, members, rights, analysis"),
    "statistics": ("gateway.statistics_command", "add_arguments", "run", "業務統計。少数は示さない / business statistics; small numbers are not told"),
    "jobs": ("gateway.jobs_command", "add_arguments", "run", "両サーバーのジョブの一覧・やり直し / jobs of both servers: list, show, retry"),
    "notices": ("gateway.notices_command", "add_arguments", "run", "運転状況のお知らせを見る・載せる・取り下げる / notices of running state"),
    "counterparts": ("gateway.counterparts_command", "add_arguments", "run", "コアとインターフェイスへの回路と送信待ち / circuits to core and interface system"),
    "codes": ("gateway.codes_command", "add_arguments", "run", "符号の数と世代を見る・新しい世代を告げる / codes: counts, epochs, a new epoch"),
    "backup": ("gateway.backup_command", "add_arguments", "run", "封をしたバックアップ: 作成・一覧・確認・復元 / sealed backups: create, list, verify, restore"),
    "clients": ("gateway.clients_command", "add_arguments", "run", "業務システムのクライアントを管理する / OAuth clients"),
    "certificates": ("gateway.certificates_command", "add_arguments", "run", "証明書の一覧・停止・更新 / certificates: list, suspend, resume, replace"),
    "call": ("gateway.call_command", "add_arguments", "run", "業務 API のどれでも呼ぶ。人のことは標準入力から / any call of the business API"),
    "send": ("gateway.send_command", "add_arguments", "run", "ファイルを渡して結果を待つ / hand a file over and wait for its result"),
    "business": ("gateway.business_command", "add_arguments", "run", "業務情報の一括連携・原本と副本の照合 / transfers and comparisons of business information"),
    "clock": ("gateway.clock_command", "add_arguments", "run", "模擬の時計を見る・合わせる・進める / the simulated clock of all roles"),
    "faults": ("gateway.faults_command", "add_arguments", "run", "模擬のまわりの不正と障害を起こす / what the simulated surroundings do wrong"),
    "scenario": ("gateway.scenario_command", "add_arguments", "run", "シナリオを動かす / play scenarios in a simulated system"),
    "residents": ("gateway.residents_command", "add_arguments", "run", "架空の人を住基ネット（模擬）に加える / synthetic people for the simulated resident network"),
    "agency": ("gateway.agency_command", "add_arguments", "run", "機関を見る・加える・外す、証明書を出す / agencies: list, add, remove, certify"),
    "conformance": ("gateway.conformance.command", "add_arguments", "run", "サーバーが文書どおりに提供するか調べる / does a server provide as documented?"),
    "keys": ("gateway.keys_command", "add_arguments", "run", "鍵の一覧・更新・破棄 / list, rotate, destroy keys"),
}  # fmt: skip
"""Name → module, function that adds arguments, function that runs, what it does."""
