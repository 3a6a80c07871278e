"""What a refused file is told in words: what is wrong and what to do, for whoever sends it. The reason code is the contract."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

TEXTS: Final[Mapping[str, str]] = {
    "manifest_malformed": "manifest の JSON か項目 (where) の書き方が違います / the manifest, or its field `where`, is not as documented",
    "manifest_names_another_file": "manifest の file は manifest 自身の名から .manifest.json を除いた名に / `file` is the manifest's own name without .manifest.json",
    "manifest_kind_differs": "manifest の kind がこのフォルダーのものと違います / `kind` is not that of this folder",
    "encoding_not_offered": "encoding は utf-8 か cp932 / `encoding` is utf-8 or cp932",
    "form_not_offered": "form は csv か fixed_width / `form` is csv or fixed_width",
    "sha256_differs": "ファイルの SHA-256 が manifest と違います。送り直してください / the file is not the one that the manifest speaks of; send both again",
    "count_differs": "行数 (facts.lines、見出しを除く) が manifest の count と違います / the lines of the file, without a header, are not `count`",
    "file_missing": "manifest だけが置かれています。データファイルを先に / there is no data file; put it into in/ before its manifest",
    "not_a_file": "データファイルの名のものがファイルではありません / what has the data file's name is no file",
    "file_name_not_allowed": "名は英数字と . _ - で 151 字まで、個人番号を含まないこと / a name has up to 151 of A-Z a-z 0-9 . _ - and no number of a person",
    "file_not_claimable": "同じ名のものが work/ にあります。名を変えて / something of this name is in work/; choose another name",
    "header_unknown": "見出し行には決まった列が一つずつ要ります。where は足りない列 / the header has each column once; `where` is one that is missing",
    "scope_missing": "この種類のファイルの権限がありません。途中のもの (facts) は戻れば続きから / no right to send these; sent again, one with facts goes on",
    "system_not_registered": "この業務システムには有効なクライアントがありません / this business system has no active client",
    "as_of_in_the_future": "as_of は今日まで / `as_of` is no later than today",
    "mismatch_rate_over_limit": "食い違う行が多く、今回は何も登録していません (facts)。行のずれか / too many rows disagree, nothing was taken now: are they shifted?",
    "form_unknown": "1 行目が見出しでなく、220 字か 237 字の行もありません / the first line is not the header, and no line has 220 or 237 characters",
    "too_many_lines": "10,000 行までに分けてください / split it: 10,000 lines at most",
    "file_name_in_use": "この名の前のファイルに、まだ届いていない回答があります。名を変えて / an earlier file of this name has answers to come; choose another name",
    "answers_deleted": "同じファイルへの回答は保存期間を過ぎました。照会依頼日時を変えて / the answers to this file are gone; ask anew with another time of request",
    "internal_error": "サーバーの誤りです。運用者に知らせて、送り直してください / our own mistake: tell the operator, and send it again",
}
