"""`sekisho agency key`: the next signing key, or log key, of an agency that keeps its keys itself, while everything runs (IS-8; docs/adr/0072)."""

from __future__ import annotations

import hashlib
import re
from datetime import timedelta
from typing import Final

from evidence.entry import EntryKind
from gateway.data_folder import DataFolder
from gateway.exit_codes import BAD_INPUT, OK, REFUSED, end
from gateway.key_records import origin_of, record_elsewhere
from gateway.key_rotation import NotTakenError, await_register
from gateway.setting_up.authority import open_authority
from gateway.setting_up.key_files import LOG, SIGNING
from gateway.setting_up.partner_keys import replace_key
from gateway.setting_up.publishing import publish
from gateway.setting_up.succession import Body, open_keys, with_keys
from gateway.topology import Agency, Program
from keys.signing import is_public_key
from transport.clock import Clock
from transport.register import RegisterBrokenError

_SAID: Final = {SIGNING: "署名鍵 (signing key)", LOG: "証跡の鍵 (log key)"}
_HEX: Final = re.compile(r"[0-9a-f]{64}")
_NOT_ITS_OWN: Final = (
    "この機関の鍵はこちらで作っています。sekisho keys rotate で替えます / its keys are ours: `sekisho keys rotate`"
)
_NO_KEY: Final = "Ed25519 公開鍵の16進64字です / an Ed25519 public key, 64 hex digits"
_TAKEN: Final = (
    "この鍵はもう登録簿にあります。新しい鍵を作ってください / the register names this key already; make another one"
)
_NOT_ENROLLED: Final = (
    "登録簿にまだありません。先に sekisho agency add を / the register does not name it yet: `sekisho agency add` first"
)
_BROKEN: Final = "登録簿がこの認証局のものではありません / the register is not this authority's"
_NOT_TAKEN: Final = "新しい登録簿を受け取っていない役割があります。直してからもう一度 / roles have not taken the new register; mend them, then the same again: "


class _RefusedError(Exception):
    """The message says why the register is left as it is."""


def replace(data: DataFolder, agency: Agency, purpose: str, key: str, overlap: timedelta) -> int:
    """The exit code. `purpose`: `signing` or `log`.

    The new key counts at every running role when this ends; the old one for so long yet. A run that died is finished by the same command.
    It is on record before it counts: what `record_elsewhere` raises leaves everything as it was.
    """
    where = agency.elsewhere
    if where is None or where.signing_key is None or where.log_key is None:
        return end(_NOT_ITS_OWN, REFUSED)
    wanted = key.strip().lower()
    if not _HEX.fullmatch(wanted) or not is_public_key(bytes.fromhex(wanted)):
        return end(_NO_KEY, BAD_INPUT)
    now = data.present()
    if purpose == LOG:
        told, whose = where.log_key, origin_of(Program.INTERMEDIATE, agency.id)
    else:
        told, whose = where.signing_key, agency.id
    digest = hashlib.sha256(bytes.fromhex(wanted)).hexdigest()
    facts: dict[str, str | int] = {"purpose": purpose, "key": digest, "overlap_s": int(overlap.total_seconds())}

    def change(before: Body | None) -> Body:
        if before is None or agency.id not in {one["id"] for one in before["agencies"]}:
            raise _RefusedError(_NOT_ENROLLED)
        if open_keys(before, purpose, whose) != [wanted]:
            _check_free(before, wanted)
            record_elsewhere(data, EntryKind.KEY_ANNOUNCED, agency.id, facts)
        # the file comes first: a set-up that comes in between completes this
        replace_key(data.clients / agency.id, purpose, told, wanted)
        return with_keys(before, purpose, whose, [wanted], now, overlap)

    try:
        sequence = publish(data, open_authority(data.authority, Clock()()), change)
        await_register(data, sequence)
    except _RefusedError as refused:
        return end(str(refused), REFUSED)
    except RegisterBrokenError:
        return end(_BROKEN, BAD_INPUT)
    except NotTakenError as late:
        return end(f"{_NOT_TAKEN}{', '.join(late.roles)}", REFUSED)
    return end(
        f"{agency.id} の{_SAID[purpose]}を替えました。古い鍵は {overlap.days} 日のあいだ受け入れます / replaced; the old key is accepted for so many days",
        OK,
    )


def _check_free(register: Body, key: str) -> None:
    """Raises _RefusedError when it is anybody's, or once was."""
    if key in _named(register):
        raise _RefusedError(_TAKEN)


def _named(register: Body) -> set[str]:
    """Every key that is anybody's, or once was."""
    windows = [*(register["permit_keys"]), *(register["list_keys"])]
    windows += [window for one in register["agencies"] for window in one["signing_keys"]]
    windows += [window for one in register["logs"] for window in one["keys"]]
    return {window["key"] for window in windows}
