"""The calls of the network that a server makes beside asking: answered truthfully, but for one forgery each of list and register, and each that comes is judged.

A run cannot make a server call. What did not come during a run is not judged, and is no difference. An epoch of codes is announced, and no
code is renewed to it: a server goes on with the codes that it has.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from adapters.jlis_mock.core.checkpoint_routes import Origin
from adapters.jlis_mock.core.code_epochs import Epoch, EpochState
from adapters.jlis_mock.core.codes import CodeBook, CodeBroken, CodeOutdated, InUse
from adapters.jlis_mock.core.epoch_routes import Settled
from adapters.jlis_mock.core.list_routes import MOST_AT_ONCE
from adapters.jlis_mock.core.list_routes import Held as ListHeld
from adapters.jlis_mock.core.messages import Renewal, refused
from adapters.jlis_mock.core.register_routes import Held as RegisterHeld
from evidence.canonical import timestamp
from gateway.conformance.not_judged import NotJudged
from gateway.conformance.turns import Rule, Step
from keys.signing import Signer, generate_seed
from partner.messages import text
from permission_lists import versions
from permission_lists.versions import Head, SignedVersion, legal_day
from storage import list_files
from transport.clock import Clock
from transport.problem import ProblemError
from transport.register import Register, sign_register

_NETWORK: Final = "docs/openapi/network.yaml"
_ONE_ITEM: Final = 1
PERMIT_TAKEN_BACK: Final = "permit_taken_back"
CALLS: Final = {
    PERMIT_TAKEN_BACK: "/permits/revoke",
    "list_versions": "/list-versions",
    "list_version_forged": "/list-versions",
    "registers": "/registers",
    "register_forged": "/registers",
    "code_epochs": "/code-epochs",
    "code_epoch_settled": "/code-epochs",
    "code_renewals": "/code-renewals",
    "held_checkpoints": "/held-checkpoints",
}
"""Rule → the call that shows it."""
RULES: Final = (
    Rule(
        PERMIT_TAKEN_BACK,
        "自機関の許可証だけを取り消し、取り消したものを示さない / takes back permits of its own, and presents none of them",
        f"IF_SKI_90045, {_NETWORK}; PL-3",
    ),
    Rule(
        "list_versions",
        "手元の版の番号を言って、そのあとの照合リストを求める / asks for the list's versions behind the one that it holds",
        f"IF_SCM_90023, {_NETWORK}; PL-4",
    ),
    Rule(
        "list_version_forged",
        "発行者の署名でない照合リストを取り入れない / takes no version of the list that its publisher did not sign",
        f"IF_SCM_90023, {_NETWORK}; PL-4",
    ),
    Rule(
        "registers",
        "手元の登録簿の番号を言って、新しいものを求める / asks for a register newer than the one that it holds",
        f"IF_SCM_90025, {_NETWORK}; IS-8",
    ),
    Rule(
        "register_forged",
        "登録簿の根の署名でない登録簿を取り入れない / takes no register that its root did not sign",
        f"IF_SCM_90025, {_NETWORK}; IS-8, SC-2",
    ),
    Rule(
        "code_epochs",
        "符号の世代を尋ねる / asks for the epochs of its codes",
        f"IF_FGU_90131, {_NETWORK}; IS-1",
    ),
    Rule(
        "code_epoch_settled",
        "符号を更新し終えるまで、済んだと言わない / does not say that it is through before its codes are renewed",
        f"IF_FGU_90131, {_NETWORK}; IS-1; docs/adr/0046",
    ),
    Rule(
        "code_renewals",
        "告げられた世代へ、自機関の符号だけを更新する / has codes of its own renewed to the epoch that was announced, and no others",
        f"IF_FGU_90130, {_NETWORK}; IS-1, SC-9",
    ),
    Rule(
        "held_checkpoints",
        "自機関のログの控えだけを求める / asks for what is held of its own logs, and of no others",
        f"IF_TKM_90075, {_NETWORK}; SC-15",
    ),
)
_NOT_CALLED: Final = "検査のあいだに呼ばなかった。呼べば調べる / your server did not make this call during the run; when it does, it is judged"
_NOT_AGAIN: Final = "試した後にもう一度呼ばなかったので、どうしたか分からない / it did not call again after it was tried: what it made of that is not known"
_FROM_ELSEWHERE: Final = "番号が網にあるどれより先 / a number beyond all that the network has"


@dataclass(slots=True, kw_only=True)
class OtherCalls:
    """`signed`: the register in force as it is handed out. `held`: versions of the list by head. `latest`: the agency's last step of epochs, None at the first.

    `saw`: rule → None when every call was right, else what was seen first.
    """

    agency: str
    register: Register
    signed: bytes
    held: dict[Head, SignedVersion]
    book: CodeBook
    latest: Epoch | None
    clock: Clock
    saw: dict[str, str | None] = field(default_factory=dict)
    _list: tuple[int, str] | None = None
    """Number and content digest of the version that was forged, once it was handed out."""
    _register: int | None = None
    _announced: str | None = None
    """When an epoch that is none was announced."""

    def right(self, rule: str) -> None:
        self.saw.setdefault(rule, None)

    def wrong(self, rule: str, saw: str) -> None:
        if self.saw.get(rule) is None:
            self.saw[rule] = saw

    def steps(self) -> list[Step]:
        """What was seen of the calls that came."""
        return [
            Step(id=one.id, right=self.saw[one.id] is None, title=one.title, saw=self.saw[one.id], cites=one.cites)
            for one in RULES
            if one.id in self.saw
        ]

    def not_judged(self) -> list[NotJudged]:
        """What no call that came could show."""
        called = {CALLS[rule] for rule in self.saw}
        return [
            NotJudged(
                id=one.id, title=one.title, why=_NOT_AGAIN if CALLS[one.id] in called else _NOT_CALLED, cites=one.cites
            )
            for one in RULES
            if one.id not in self.saw
        ]

    # --- the permission list

    def list_versions(self, asks: Sequence[ListHeld]) -> list[dict[str, Any]]:
        """IF_SCM_90023. Behind the newest version a forged one is handed out, once."""
        _one(asks)
        newest = max(head.number for head in self.held)
        for ask in asks:
            if self._list is not None and ask.held >= self._list[0]:
                self.wrong("list_version_forged", "偽の版を取り入れた / it took the forged version")
            elif ask.held > newest:
                self.wrong("list_versions", _FROM_ELSEWHERE)
            else:
                self.right("list_versions")
                if self._list is not None:
                    self.right("list_version_forged")
        return [{"versions": self._versions_behind(ask.held)} for ask in asks]

    def _versions_behind(self, number: int) -> list[dict[str, str]]:
        behind = [self.held[head] for head in sorted(self.held, key=lambda one: one.number) if head.number > number]
        given = behind[:MOST_AT_ONCE]
        if self._list is None and len(given) == len(behind) < MOST_AT_ONCE:
            given = [*given, self._forged_version()]
        return [{name: text(getattr(one, name)) for name in list_files.WireVersion.__struct_fields__} for one in given]

    def _forged_version(self) -> SignedVersion:
        """The newest one without a row, valid from today, under another's signature."""
        last = max(self.held, key=lambda one: one.number)
        first, *others = versions.read_documents(self.held[last].content)
        forged = versions.make(
            [{**first, "rows": first["rows"][:-1]}, *others],
            number=last.number + 1,
            valid_from=legal_day(self.clock()),
            supersedes=last.content_digest,
            signer=Signer(generate_seed()),
        )
        self._list = last.number + 1, json.loads(forged.head)["content_digest"]
        return forged

    def asked_by(self, list_digest: str) -> None:
        """By which list it asks, whatever the network says to that."""
        if self._list is not None and list_digest == self._list[1]:
            self.wrong("list_version_forged", "偽の版によって照会した / it asked by the forged version")
        elif self._list is not None:
            self.right("list_version_forged")

    # --- the register

    def registers(self, asks: Sequence[RegisterHeld]) -> list[dict[str, Any]]:
        """IF_SCM_90025. To whoever holds the newest one a forged one is handed out, once."""
        _one(asks)
        for ask in asks:
            if self._register is not None and ask.held >= self._register:
                self.wrong("register_forged", "偽の登録簿を取り入れた / it took the forged register")
            elif ask.held > self.register.sequence:
                self.wrong("registers", _FROM_ELSEWHERE)
            else:
                self.right("registers")
                if self._register is not None:
                    self.right("register_forged")
        return [{"register": self._register_behind(ask.held)} for ask in asks]

    def _register_behind(self, number: int) -> str | None:
        if number < self.register.sequence:
            return text(self.signed)
        if self._register is not None:
            return None
        self._register = self.register.sequence + 1
        body = json.loads(base64.b64decode(json.loads(self.signed)["register"]))
        return text(sign_register({**body, "sequence": self._register}, Signer(generate_seed())))

    # --- codes

    def code_epochs(self, asks: Sequence[Settled]) -> list[dict[str, Any]]:
        """IF_FGU_90131. Where none is under way, one is announced that no code is renewed to."""
        now, under_way = self._epochs()
        for ask in asks:
            if ask.settled <= now.newest:
                self.right("code_epochs")
                if self._announced is not None:
                    self.right("code_epoch_settled")
            elif self._announced is not None and ask.settled == now.newest + 1:
                self.wrong(
                    "code_epoch_settled",
                    "更新していない世代を済んだと言った / it said so of an epoch to which no code was renewed",
                )
            else:
                self.wrong("code_epochs", _FROM_ELSEWHERE)
        if not under_way and asks and self._announced is None:
            self._announced = timestamp(self.clock())
        return [{"epochs": [self._shown(now)]} for _ in asks]

    def _epochs(self) -> tuple[InUse, bool]:
        """The agency's epochs at the core, and whether a step is under way there."""
        if self.latest is None:
            return InUse(), False
        return self.latest.in_use, self.latest.state in {EpochState.ANNOUNCED, EpochState.SETTLED}

    def _shown(self, now: InUse) -> dict[str, Any]:
        found = {"agency": self.agency, "newest": now.newest, "issued": now.issued, "accepted": sorted(now.accepted)}
        times = {"announced_at": None, "accepted_until": None}
        if self._announced is None:
            return {**found, "state": None if self.latest is None else self.latest.state.value, **times}
        beyond = now.newest + 1
        return {
            **found,
            "newest": beyond,
            "accepted": [*sorted(now.accepted), beyond],
            "state": EpochState.ANNOUNCED.value,
            **times,
            "announced_at": self._announced,
        }

    def code_renewals(self, asks: Sequence[Renewal]) -> list[dict[str, Any]]:
        """IF_FGU_90130. Raises ProblemError 503 for the epoch that is none: later."""
        answers: list[dict[str, Any]] = []
        for ask in asks:
            try:
                answers.append({"code": text(self.book.renewed(ask.code, self.agency))})
                self.right("code_renewals")
            except CodeOutdated:
                answers.append(refused("code_epoch_over"))
                self.right("code_renewals")
            except CodeBroken:
                answers.append(refused("code_not_of_this_agency"))
                self.wrong("code_renewals", "この機関の符号でない / not a code of this agency")
        if self._announced is not None:
            raise ProblemError(503, "storage_unavailable", "No code is renewed in a conformance run; ask again later.")
        return answers

    # --- its own logs

    def held_checkpoints(self, asks: Sequence[Origin]) -> list[dict[str, Any]]:
        """IF_TKM_90075. Nothing is held here."""
        answers: list[dict[str, Any]] = []
        for ask in asks:
            if f"/{self.agency}/" in ask.origin:
                self.right("held_checkpoints")
                answers.append({"note": None})
            else:
                self.wrong("held_checkpoints", "ほかの機関のログ / a log of another agency")
                answers.append(refused("log_of_another_agency"))
        return answers


def _one(asks: Sequence[object]) -> None:
    """Raises ProblemError 413."""
    if len(asks) > _ONE_ITEM:
        raise ProblemError(413, "too_many_items", "One item a request: an answer carries whole lists.")
