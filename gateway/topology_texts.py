"""What a topology's mistakes are called, and how each is mended; Japanese first. `{what}`: the part of the file that it is in."""

from __future__ import annotations

from typing import Final

AN_ID: Final = (
    "小文字で始まる小文字・数字・ハイフン2〜31字です / 2 to 31 lower-case letters, digits and hyphens, a letter first"
)
A_CODE: Final = (
    "引用符で囲んだ、9999 で始まる16桁の数字です。実在の機関のコードは使えません"
    " / 16 digits within quotes that begin with 9999: never the code of a real agency"
)
A_NAME: Final = "名称です / a name"
A_HOST: Final = (
    "小文字のホスト名か、一台を指す IPv4 アドレスです / a host name in lower case, or an IPv4 address of one machine"
)
AN_ADDRESS: Final = "待ち受ける IPv4 アドレスです。0.0.0.0 はこの機械のすべて / an IPv4 address to listen on; 0.0.0.0: every one of this machine"
A_REQUEST: Final = "「|」の次の行からの PEM です / PEM, from the line after `|`"
A_KEY: Final = "Ed25519 公開鍵の16進64字です / an Ed25519 public key, 64 hex digits"
A_SYSTEM: Final = "小文字で始まる小文字・数字・ハイフンです / lower-case letters, digits and hyphens, a letter first"
A_DAY: Final = "YYYY-MM-DD です / a day, YYYY-MM-DD"

MISTAKES: Final = {
    "not_a_mapping": (
        "{what} は「名前: 値」の並びです / must be a mapping of names to values",
        "「名前: 値」で書いてください / write `name: value`",
    ),
    "key_unknown": ("{what}: 知らない項目 {name} です / unknown key", "使えるのは / there are: {known}"),
    "name_unknown": ("{what}: {name} はありません / there is no such name", "次のどれかです / one of: {known}"),
    "agency_not_hosted": (
        "{what}: {name} はこの役割が受け持つ機関ではありません / is no agency that this role hosts",
        "受け持つのは / it hosts: {known}",
    ),
    "no_such_value": (
        "この日付・時刻・数はありません / there is no such day, time or number",
        "暦にある日を YYYY-MM-DD で。文字なら引用符で囲んでください / a day of the calendar as YYYY-MM-DD; quotes around a text",
    ),
    "key_missing": ("{what}: {key} がありません / {key} is missing", "{mend}"),
    "value_wrong": ("{what}: {key} の値 {value} が正しくありません / the value of {key} is wrong", "{mend}"),
    "not_yaml": (
        "YAML として読めません / this is not YAML",
        "字下げ・括弧・引用符を確かめてください / check indentation, brackets and quotes",
    ),
    "not_readable": (
        "ファイルを読めません / the file cannot be read as text",
        "16 MiB までの UTF-8 の YAML を指定してください / name a file of YAML in UTF-8 of 16 MiB at most",
    ),
    "key_not_text": (
        "項目の名前が並びか組です / a key is a list or a mapping",
        "名前は一つの文字にしてください / write one text as the key",
    ),
    "too_deep": (
        "入れ子が深すぎるか、別名が多すぎます / nested too deep, or too many aliases",
        "浅く、別名を減らして書いてください / write it less deep, with fewer aliases",
    ),
    "key_twice": ("同じ項目が二度あります / a key stands twice in one mapping", "片方を消してください / remove one"),
    "stands_twice": (
        "{what}: {thing} は {first} にもあります / stands there already",
        "片方を変えてください / change one of them",
    ),
    "id_reserved": (
        "{what}: id {id} は予約語です / the id is reserved",
        "別の id にしてください / choose another id",
    ),
    "assessed_empty": (
        "{what}: assessed に期間がありません / assessed has no days",
        "valid_from か valid_to を書いてください。済んでいなければ assessed: false / give valid_from or valid_to; write assessed: false where it is not done",
    ),
    "assessed_overlap": (
        "{what}: assessed の期間が重なっています / days of assessed overlap",
        "一つにまとめるか、日を直してください / make them one, or mend the days",
    ),
    "name_of_several": (
        "{what}: 名称 {name} の機関は複数あります / several agencies are called so",
        "都道府県名から書いてください / begin with the prefecture",
    ),
    "kinds_missing": (
        "{what}: 機関の区分が名称 {name} から決まりません / the name tells no legal kind",
        "kinds: [法令の区分] を書くか、法令の名称にしてください / give kinds, or the name that the law uses",
    ),
    "kinds_empty": ("{what}: kinds が空です / kinds is empty", "一つ以上書いてください / give at least one"),
    "kind_unknown": (
        "{what}: 知らない区分 {name} です / unknown kind",
        "party_kinds.yaml にある区分を書いてください / give a kind of party_kinds.yaml: {known}",
    ),
    "kinds_contrary": (
        "{what}: kinds が名称 {name} と食い違います / kinds and name contradict each other",
        "kinds を消すか、{told} をすべて書き、名称では分からない区分だけを足してください / leave kinds out, or write these and add only what no name tells",
    ),
    "systems_elsewhere": (
        "{what}: elsewhere の機関に業務システムは置けません / an agency elsewhere has no business systems here",
        "systems を消してください / remove systems",
    ),
    "agency_nowhere": (
        "{what}: 中間サーバーがどこにもありません / it has no intermediate server anywhere",
        "program: intermediate の役割の hosts に足すか、elsewhere を書いてください / add it to the hosts of a role with program: intermediate, or say elsewhere",
    ),
    "systems_nowhere": (
        "{what}: 業務システムがつなぐ番号連携サーバーがどこにもありません / its business systems have no linkage server anywhere",
        "program: linkage の役割の hosts（機関のファイルでは hosted_by）に足すか、systems を消してください / let a role with program: linkage host it, or remove systems",
    ),
    "key_unusable": (
        "{what}: {key} は Ed25519 の公開鍵になりません（全零や小さい位数の点など） / is no Ed25519 public key: not on the curve, or of small order",
        "サーバーが作った鍵の公開側を書いてください / write the public half of a key that the server made",
    ),
    "key_twice_used": (
        "{what}: {key} は {first} の鍵と同じです / is the key of that line too",
        "用途ごと、機関ごとに別の鍵を作ってください / make another key for each agency and for each purpose",
    ),
    "reached_at_missing": (
        "{what}: すべてのアドレスで待ち受けますが、どこで見つかるかがありません / it listens everywhere and nothing says where it is found",
        "reached_at: ホスト名かアドレスを書いてください / say reached_at: host",
    ),
    "listen_missing": (
        "{what}: {host} で見つかるはずですが、127.0.0.1 だけで待ち受けます / it is to be found there and listens on 127.0.0.1 alone",
        "listen: そのアドレス（すべてなら 0.0.0.0）も書いてください / say listen: its address, or 0.0.0.0 for every one",
    ),
    "request_refused": ("{what}: {use}: {why}", "要求を作り直してください / make the request anew"),
    "route_unused": (
        "{what}: {caller} は {called} を呼びません / the first never calls the second",
        "from は呼ぶ役割、to は呼ばれる役割か elsewhere の機関です / from is a role that calls, to a role or an agency elsewhere that it calls",
    ),
    "route_twice": (
        "{what}: {caller} から {called} への道はもう書かれています / there is a route between these two already",
        "一つにしてください / leave one of them",
    ),
    "routes_of_hosted": (
        "{what}: {id} は自前のサーバー (elsewhere) の機関ではなく、道はありません / it has no server of its own for a route to lead to",
        "routes を消してください。役割への道は構成ファイルに書きます / remove routes; a way to a role stands in the topology file",
    ),
    "hours_reversed": (
        "{what}: 開く時刻 {opens} が閉じる時刻 {closes} より後です / it closes before it opens",
        "staff_opens を staff_closes より前にしてください（書かなければ 08:00 と 19:00） / put staff_opens before staff_closes (left out: 08:00, 19:00)",
    ),
    "origin_of_another": (
        "{what}: {origin} のページは {rp_id} の職員証を使えません / a page there cannot use cards of that name",
        "staff_rp_id をそのホスト名か上の名前にしてください / let staff_rp_id be its host name or a parent of it",
    ),
    "information_empty": (
        "{what}: information が空です / information is empty",
        "委任する情報を書いてください。すべてなら information を除いてください / name what is delegated; leave information out for everything",
    ),
    "delegation_twice": (
        "{what}: 同じ機関どうし・同じ側・重なる期間と情報の委任が {first} にあります / one of the same two, side, days and kinds stands there",
        "一つにまとめるか、期間か情報を分けてください / make one of them, or part their days or kinds",
    ),
    "keys_incomplete": (
        "{what}: 鍵が片方だけです / only one of signing_key and log_key is given",
        "signing_key と log_key の両方を書くか、両方消してください / give both, or neither",
    ),
    "delegation_of_others": (
        "{what}: {agency} の委任ではありません / the agency of this file is on neither side",
        "delegator か delegate のどちらかをこの機関に。ほかの機関どうしの委任は構成ファイルへ / name this agency on one side; others go into the topology",
    ),
    "delegation_to_itself": (
        "{what}: {agency} が自分に委任しています / delegates to itself",
        "delegator と delegate を別の機関にしてください / name two agencies",
    ),
    "days_reversed": (
        "{what}: valid_to が valid_from より前です / valid_to is before valid_from",
        "日付の順を直してください / put the days in order",
    ),
    "sky2_has_no_system": (
        "役割 {name}: 同じ id の業務システムが、受け持つ機関にありません / its agency has no business system of this id",
        "役割の名前を業務システムの id にするか、その id の業務システムを systems に足してください / give the role the id of a business system, or add one",
    ),
    "grant_unknown": (
        "{what}: 権限 {name} はありません / there is no such right",
        "resource:operation の形で、次のどれかです / one of: {known}",
    ),
    "role_malformed": (
        "役割の名前 {name} が正しくありません / the role's name is malformed",
        AN_ID,
    ),
    "file_not_there": (
        "{what}: {key} のファイル {file} を読めません / the file cannot be read as UTF-8",
        "そこに置くか、役割のフォルダーからのパスか絶対パスにしてください / put it there, or write its path, from the role's folder or absolute",
    ),
    "file_not_right": (
        "{what}: {key} のファイル {file} が正しくありません / the file is not right: {said}",
        "直すか、オプションを外して同梱のものを使ってください / mend it, or leave the option out and use the one that comes with the house",
    ),
    "host_unknown": (
        "{what}: 知らない機関 {name} を受け持っています / hosts an agency that is not there",
        "受け持てるのは / it can host: {known}",
    ),
    "host_elsewhere": (
        "{what}: elsewhere の機関 {agency} は受け持てません / an agency elsewhere cannot be hosted",
        "受け持ちか elsewhere のどちらかを消してください / remove it from the hosts, or remove elsewhere",
    ),
    "host_of_another": (
        "{what}: {program} は機関 {agency} を受け持てません / this program is another agency's own",
        "受け持てるのは / it can host: {known}",
    ),
    "role_missing": (
        "{name} の役割がありません / the role of {name} is missing",
        "roles に「{name}: {{program: {name}, hosts: [{name}], port: …, metrics_port: …}}」を足してください / add it to roles",
    ),
    "hosts_missing": (
        "役割 {name}: hosts が空です / hosts is empty",
        "受け持つ機関を書いてください / name the agencies that it hosts",
    ),
    "role_unknown": ("{what}: {program} の役割 {role} はありません / no such role", "あるのは / there are: {known}"),
}
"""Code → what is wrong, and how to mend it."""
